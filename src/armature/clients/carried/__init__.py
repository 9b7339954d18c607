"""What every client carries along, whatever the contract says; it is copied into the package that is made."""
