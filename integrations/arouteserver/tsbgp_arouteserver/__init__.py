"""A target of arouteserver: configurations for ts-bgp."""

from .builder import TsBgpConfigBuilder

__all__ = ["TsBgpConfigBuilder"]
