annulus_test(train train)
annulus_test(prune train)
annulus_test(train_bound train)
annulus_test(train_noise train)
