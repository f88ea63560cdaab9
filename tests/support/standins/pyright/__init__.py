"""A stand-in for the type checker, on the path of processes that are tested for something else: see `__main__`."""
