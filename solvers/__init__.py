"""allocopt.solvers"""
if __name__ != "allocopt.solvers":
    raise ImportError("import this package as allocopt.solvers, not as 'solvers': a second copy would not share its types")
