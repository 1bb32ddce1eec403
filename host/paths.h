// Where plugins, models and data are found.
// SPDX-License-Identifier: MIT
#ifndef HOST_PATHS_H
#define HOST_PATHS_H

// The built-in directories: of the build tree when the program runs from it, else of the
// installation, moved along with the program. NULL: not found.
void paths_init(void);
const char *path_plugins(void);
const char *path_share(void);
void paths_add_models(const char *dir);  // searched first
// The user's own "plugins" or "models", in $XDG_DATA_HOME/kiln or ~/.local/share/kiln: malloc'd;
// NULL: there is no such folder.
char *path_user(const char *kind);
// A model by its path, or by its name in the models directories: NAME, NAME.safetensors or a
// folder. malloc'd; fails with KILN_ERR_IO and names the places that were looked at.
int path_model(const char *name, char **out);
// A file of the shared data; NULL: absent. Lives as long as the process.
const char *path_data(const char *name);
// The models directories in order, NULL at the end of the list.
const char *path_models(int i);

#endif
