import tensorflow as tf

# As the service does: the controller's matrices are too small to share out.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
