"""Integers to bytes and back, exactly: integer tables, three coders behind one call, integer layers."""

from .coders import Coder, Decoder, Encoder, RateCounter
from .families import ROWS, gaussian, laplace, sigma
from .integer import IntegerLinear
from .tables import PRECISION, TOTAL, Model, Tables, uniform

__all__ = [
    "PRECISION",
    "ROWS",
    "TOTAL",
    "Coder",
    "Decoder",
    "Encoder",
    "IntegerLinear",
    "Model",
    "RateCounter",
    "Tables",
    "gaussian",
    "laplace",
    "sigma",
    "uniform",
]
