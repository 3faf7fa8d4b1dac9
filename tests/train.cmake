annulus_test(train train)
annulus_test(prune train)
