"""An embedded OpenCTI and an embedded PassiveTotal on loopback, for the demo and for the tests."""
