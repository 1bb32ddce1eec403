# SPDX-License-Identifier: MIT
host_sources = \
	host/chain.c host/chain.h host/check.h host/check_filter.c host/check_other.c \
	host/check_run.c host/device.c host/device.h host/document.c host/document.h \
	host/document_state.c host/draw.c host/draw.h host/embed.c host/embed.h host/embed_kept.c host/embed_kept.h host/error.c \
	host/error.h host/exec.c host/exec.h \
	host/ext.c host/ext.h host/file.c host/file.h host/file_atomic.c host/file_fd.h \
	host/file_sweep.c host/filter_call.c host/filter_call.h host/help_topics.c \
	host/help_topics.h host/image_codec.h host/image_exif.c host/image_file.c host/image_file.h \
	host/image_jpeg.c host/image_jpeg.h host/image_jpeg_read.c host/image_jpeg_write.c \
	host/image_png.c host/image_png_text.c host/inputs.c host/inputs.h \
	host/inspect.h host/inspect_net.c host/inspect_state.c host/inspect_weights.c host/instance.c host/instance.h \
	host/load.c host/load.h host/load_file.h host/log.c host/log.h host/main.c \
	host/node_batch.c host/node_load.c host/node_save.c host/node_state.c host/node_text.c \
	host/node_text.h host/nodes.c host/nodes.h host/ops_check.c host/ops_check.h host/ops_check_map.c \
	host/ops_check_matrix.c host/ops_check_train.c host/ops_host.c host/ops_host.h \
	host/origin.c host/origin.h \
	host/param.c host/param.h host/param_value.c host/param_value.h host/paths.c host/paths.h \
	host/pickle.c host/pickle.h host/pickle_machine.h host/pickle_torch.c host/pool.c \
	host/pool.h host/preview.c host/preview.h host/progress.c host/progress.h host/query.h \
	host/random.c host/random.h host/random_torch.c host/random_torch.h host/record.c \
	host/record.h host/recorded.c host/recorded.h host/registry.c host/registry.h host/run.c host/run.h host/runtime.h \
	host/safetensors.c host/safetensors.h host/safetensors_text.h host/safetensors_write.c \
	host/sample.c host/sample.h host/sha256.c host/sha256.h host/show.c host/show.h host/stack.c host/stack.h \
	host/stack_eval.c host/state.c host/state.h host/stream.h host/stream_read.c \
	host/stream_write.c host/heap.c host/heap.h host/tensor.c host/tensor.h host/twin.c host/twin_pool.c host/twin.h host/ext_cuda.c host/finite.c host/finite.h \
	host/estimate.c host/estimate.h host/levels.c host/levels.h host/query.c host/stack_ask.c host/stack_cond.c host/stack_graph.c host/stack_reduce.c host/torch_file.c host/torch_file.h \
	host/training.c host/training.h host/training_job.h host/training_step.c host/utf8.h host/util.c host/util.h host/verb_check.c \
	host/verb_completion.c host/verb_help.c host/verb_inspect.c host/verb_list.c \
	host/verb_new.c host/verb_recipe.c host/verb_run.c host/verb_version.c host/verbs.c \
	host/verbs.h host/view.c host/view.h host/view_permute.c host/view_probe.c host/view_probe.h host/weights_file.c host/weights_file.h \
	host/weights_folder.c host/weights_json.c host/weights_part.c host/weights_part.h \
	host/wrap.c host/wrap.h host/zip.c host/zip.h
