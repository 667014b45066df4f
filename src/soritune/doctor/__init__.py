"""What of soritune runs on this machine: libraries, devices, features, and what installs the missing ones."""
