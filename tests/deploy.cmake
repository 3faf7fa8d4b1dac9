annulus_test(deploy deploy)
annulus_test(host_costs deploy)
annulus_test(wipe deploy)
target_link_options(test_wipe PRIVATE -Wl,--wrap=free)
