"""basf2's mDST and uDST files."""
