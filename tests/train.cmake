annulus_test(train train)
annulus_test(train_wave train)
annulus_test(train_distill train)
annulus_test(train_image train)
