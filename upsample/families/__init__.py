"""The upsamplers themselves, one family a file; a file reads like a page of a textbook.

A file knows the contract, the registry and what families share, never how upsamplers are looked up or rewritten.
"""
