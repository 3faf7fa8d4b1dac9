annulus_test(base base)
