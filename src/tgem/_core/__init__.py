"""Leaf package: names of slots, errors and checks that everything else builds on."""
