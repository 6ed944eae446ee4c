"""UCUM units made comparable: exact values in one unit for each dimension. https://ucum.org/ucum"""

from terminology.ucum.units import Unit, canonical, unit

__all__ = ["Unit", "canonical", "unit"]
