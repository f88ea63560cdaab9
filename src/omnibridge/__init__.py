"""OmniBridge: connect a company's channels through one canonical model instead of many point-to-point scripts."""
