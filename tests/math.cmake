annulus_test(fft math)
annulus_test(matrix math)
