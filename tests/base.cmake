annulus_test(base base)
annulus_test(chart base)
