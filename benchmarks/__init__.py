"""How fast the connector is, measured on the machine at hand."""
