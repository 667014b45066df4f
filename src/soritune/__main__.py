"""`python -m soritune`, and with it `torchrun -m soritune` and `accelerate launch -m soritune`."""

from soritune.cli.main import main

if __name__ == "__main__":
    main()
