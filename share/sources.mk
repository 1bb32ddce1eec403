# SPDX-License-Identifier: MIT
# What kiln finds by name: DATADIR/mnist, DATADIR/models, DATADIR/photos.
mnistdir = $(pkgdatadir)/mnist
dist_mnist_DATA = \
	share/mnist/README.md \
	share/mnist/train-images-idx3-ubyte.gz share/mnist/train-labels-idx1-ubyte.gz \
	share/mnist/t10k-images-idx3-ubyte.gz share/mnist/t10k-labels-idx1-ubyte.gz
photosdir = $(pkgdatadir)/photos
dist_photos_DATA = share/photos/README.md share/photos/cat.png
