annulus_test(params tfhe)
annulus_test(keys tfhe)
annulus_test(modulus_switch tfhe)
annulus_test(bootstrap tfhe)
