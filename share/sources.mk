# SPDX-License-Identifier: MIT
# What kiln finds by name: DATADIR/mnist, DATADIR/models, DATADIR/photos.
mnistdir = $(pkgdatadir)/mnist
dist_mnist_DATA = \
	share/mnist/README.md \
	share/mnist/train-images-idx3-ubyte.gz share/mnist/train-labels-idx1-ubyte.gz \
	share/mnist/t10k-images-idx3-ubyte.gz share/mnist/t10k-labels-idx1-ubyte.gz
photosdir = $(pkgdatadir)/photos
dist_photos_DATA = share/photos/README.md share/photos/cat.png share/photos/astronaut.jpg \
	share/photos/coffee.jpg share/photos/rocket.jpg share/photos/house.png share/photos/fish.png \
	share/photos/heart.png
modelsdir = $(pkgdatadir)/models
dist_models_DATA = \
	share/models/README.md share/models/mnist-class.safetensors share/models/mnist-class.tsv \
	share/models/mnist-denoiser.safetensors share/models/mnist-denoiser.tsv \
	share/models/mnist-time.safetensors share/models/mnist-time.tsv
