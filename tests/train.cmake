annulus_test(train train)
