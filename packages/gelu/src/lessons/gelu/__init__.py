"""Gaussian error linear units."""
