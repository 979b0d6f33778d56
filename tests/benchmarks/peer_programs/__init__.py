"""What runs in the peers' own environments: these modules know nothing of PokéCode."""
