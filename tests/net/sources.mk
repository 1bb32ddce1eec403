# SPDX-License-Identifier: MIT
# The small UNet on a stub host with the reference operations and the host's own weights files.
net_sources = tests/net/net_test.c tests/net/net_test.h tests/net/weights_table.c \
	$(mnist_unet_sources) $(stub_sources) $(weights_all)
net_libs = $(kernels_libs) $(weights_libs)

check_PROGRAMS += tests/net/test_net tests/net/test_model
tests_net_test_net_SOURCES = tests/net/test_net.c $(net_sources)
tests_net_test_net_LDADD = $(net_libs)
tests_net_test_model_SOURCES = tests/net/test_model.c $(net_sources)
tests_net_test_model_LDADD = $(net_libs)

EXTRA_DIST += tests/reference/mnist.py tests/golden/mnist-ckpt.safetensors \
	tests/golden/mnist-ckpt-j.pt tests/golden/mnist-ckpt-j.safetensors \
	tests/golden/mnist-ckpt-j-time.pt tests/golden/mnist-ckpt-j-time.safetensors \
	tests/golden/mnist-ckpt-t.pt tests/golden/mnist-ckpt-t.safetensors \
	tests/golden/mnist-ckpt-unknown.pt tests/golden/mnist-ckpt-x.pt \
	tests/golden/mnist-ckpt-x.safetensors tests/golden/mnist-net-class.safetensors \
	tests/golden/mnist-net-plain.safetensors tests/golden/mnist-net-time.safetensors \
	tests/golden/mnist-start-class.safetensors tests/golden/mnist-start-plain.safetensors \
	tests/golden/mnist-start-time.safetensors tests/golden/mnist-weights-class.safetensors \
	tests/golden/mnist-weights-plain.safetensors tests/golden/mnist-weights-time.safetensors
