# Shared by script/demo and script/bench: data, and the networks that are trained.
fashion_dir=${ANNULUS_FASHION_DIR:-/usr/share/datasets/fashion-mnist}
fashion_train=(--images "$fashion_dir/train-images-idx3-ubyte.gz" --labels "$fashion_dir/train-labels-idx1-ubyte.gz"
  --class-names "T-shirt,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Boot" --epochs 20)
fashion_calibration=(--images "$fashion_dir/train-images-idx3-ubyte.gz" --count 10000)
fashion_images=$fashion_dir/t10k-images-idx3-ubyte.gz
fashion_labels=$fashion_dir/t10k-labels-idx1-ubyte.gz
fashion_test=(--images "$fashion_images" --labels "$fashion_labels")

# networks of waves (docs/training-waves.md)
waves_train=(--activation trapezoid --offsets 4 --phase-noise 0.011 --weight-bits 8,4 --validation 0 --learning-rate 0.006 --shift 1
  --epochs 40)
mnist_fastest_train=("${waves_train[@]}" --hidden 44)
mnist_better_train=("${waves_train[@]}" --hidden 160)
fashion_dense_train=("${waves_train[@]}" --hidden 90)
# 12 x 10 x 10, 24 x 5 x 5 and 128 rotations
fashion_conv_train=(--activation trapezoid --offsets 4 --phase-noise 0.011 --weight-bits 8,4,4,4 --validation 0 --learning-rate 0.006
  --shift 1 --flip --epochs 40 --conv 12x5s3p2,24x3s2p1 --hidden 128)
# 32 x 16 x 16 twice, 64 x 8 x 8 twice and 128 x 4 x 4 twice: 28,672 rotations; waves need no ranges, so that few
# samples calibrate, and bear a little more noise than they were trained with
cifar_10_train=(--activation trapezoid --offsets 4 --phase-noise 0.011 --weight-bits 8,4,4,4,4,4,4 --validation 0.02 --learning-rate 0.004
  --shift 4 --flip --epochs 30 --conv 32x4s2p1,32x3p1,64x3s2p1,64x3p1,128x3s2p1,128x3p1,gap --hidden 0
  --class-names "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck")
cifar_10_compile=(--count 200 --phase-noise 0.014)
demo_train=("${fashion_train[@]}" "${waves_train[@]}" --hidden 160) # within 0.3 s an image

# classic tables that err, as compiled (docs/training.md, look-ups that err)
mnist_classic_train=(--hidden 340 --target-p-error 0.3 --rounding-bits 6 --validation 0 --learning-rate 0.006 --shift 1 --epochs 40)
mnist_classic_compile=(--p-error 0.4 --rounding-bits 6 --output-bits 5)

# convolutions with sums of 6 bits, so that nothing is rounded, and scores of 7, so that they are exact: only look-ups that fail can
# change an answer
narrow_train=(--input-bits 2 --activation-bits 2 --weight-bits 3 --accumulator-bits 6 --epochs 4)
narrow_compile=(--p-error 2^-40 --ranges proven --rounding-bits 0 --output-bits 7)
lenet_mnist_train=(--conv 6x5s2p2,16x5s2 --hidden 120,84 "${narrow_train[@]}") lenet_mnist_compile=("${narrow_compile[@]}")
conv_fashion_train=(--conv 8x3s2p1,16x3s2p1,32x3s2p1 --hidden 64 "${narrow_train[@]}") conv_fashion_compile=("${narrow_compile[@]}")

# build NAME CMAKE-ARGUMENT...: release build without tests in build/NAME
build() {
  local name=$1
  shift
  mkdir -p build
  cmake -S . -B "build/$name" -G Ninja -DCMAKE_BUILD_TYPE=Release -DANNULUS_TESTS=OFF "$@" >"build/$name.log" 2>&1 &&
    cmake --build "build/$name" >>"build/$name.log" 2>&1 || { tail -n 40 "build/$name.log" >&2; return 1; }
}
