annulus_test(dataset_csv data)
annulus_test(dataset_idx data)
