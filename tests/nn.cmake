annulus_test(network nn)
annulus_test(lower nn)
annulus_test(exec nn)
annulus_test(circuit_file nn)
