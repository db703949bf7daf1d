"""Closure: is a kept and weighted sample unbiased?"""
