annulus_test(deploy deploy)
