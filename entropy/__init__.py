"""Integers to bytes and back, exactly: integer tables, three coders behind one call, integer layers."""

from .coders import Coder, Decoder, Encoder, RateCounter
from .dense import Dense, dense, softmax
from .families import ROWS, gaussian, laplace, sigma
from .integer import IntegerLinear
from .network import Network
from .tables import PRECISION, TOTAL, Model, Tables, uniform

__all__ = [
    "PRECISION",
    "ROWS",
    "TOTAL",
    "Coder",
    "Decoder",
    "Dense",
    "Encoder",
    "IntegerLinear",
    "Model",
    "Network",
    "RateCounter",
    "Tables",
    "dense",
    "gaussian",
    "laplace",
    "sigma",
    "softmax",
    "uniform",
]
