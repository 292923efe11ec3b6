"""Science that ships with fullrank: slow, pure-Python functions with published results.

Each module imports the standard library alone, so that it loads fast on every worker and in
sub-interpreters, and each has its study in ``configs/``:

=====================  ==========================================  ===============================
function               one item                                    what the items are like
=====================  ==========================================  ===============================
``ep:gaussian_pairs``  2^16 random pairs of the NAS benchmark EP   alike; the sums are published
``mandelbrot:row``     one row of an image of the Mandelbrot set   very uneven
``lyapunov:exponent``  one orbit of the logistic map               alike; a grid of two parameters
``ising:metropolis``   one magnet at one temperature               seeded; replicates, error bars
``nqueens:solutions``  all boards with two given queens            uneven; the sum is published
=====================  ==========================================  ===============================
"""
