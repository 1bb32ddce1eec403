// SPDX-License-Identifier: MIT
#include "help_topics.h"

#include <stddef.h>

const char help_begin[] =
    "kiln makes and changes images by chains of small plugins.\n"
    "\n"
    "  kiln [OPTION…] NODE [ARGUMENT…] ! NODE [ARGUMENT…] ! …\n"
    "  kiln [OPTION…] NODE … | kiln NODE …         the same, in several processes\n"
    "  kiln VERB …\n"
    "\n"
    "  kiln randn 4x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! cfg 5 ! ddpm ! show\n";

static const char chain[] =
    "chain  = NODE { ! NODE }\n"
    "NODE   = NAME { VALUE | NAME=VALUE | [NAME=] [ chain ] }\n"
    "\n"
    "Each node takes the State that the one before it left, and leaves one. !, [\n"
    "and ] are words of their own, with blanks around them; so they need no quotes\n"
    "in bash, dash, zsh and fish. To say one as a plain value, name the parameter:\n"
    "text=!\n"
    "\n"
    "Parameters that 'kiln help NODE' marks with * may be given by position, in\n"
    "the order of the table; one with … takes all that are left. Everything can be\n"
    "given by name. A word with = in it is a named parameter only if the node has\n"
    "one of that name: prompt \"x=1\" is a prompt.\n"
    "\n"
    "  strings, paths   repeat the name: view=flip view=\"rotate 90\"\n"
    "  ints, floats     1,2,5   0:5   990:-1:-30 (end excluded)   64x64\n"
    "  bool             yes, no\n"
    "  image, mask      a file, - (standard input), @NAME of what 'keep NAME' put\n"
    "                   aside, or a chain in brackets\n"
    "  model            a prompt, or a chain in brackets\n"
    "  filter           a node with arguments in quotes, or a chain in brackets\n"
    "\n"
    "A chain in brackets runs on a copy of the current State, unless it begins\n"
    "with a source. [ ] is the current image. A name before it ends with = and a\n"
    "blank: mask= [ rect 0,0,28,14 ]\n"
    "\n"
    "Order: image, text encoder, net, prompt, inpaint, noise or randn, guidance,\n"
    "trace, sampler, what to show, save. A net, an encoder, guidance and hooks wait\n"
    "in the State until a sampler runs them.\n"
    "\n"
    "  kiln load cat.png ! resize 64x64 ! hstack [ ] [ blur 2 ] ! save out.png\n";

static const char pipe[] =
    "'kiln a ! b ! c' and 'kiln a | kiln b | kiln c' give the same bytes, wherever\n"
    "a chain is cut. Standard output is always the stream, in safetensors; 'save -'\n"
    "writes a picture there. PNG and JPEG on standard input count as 'load -'.\n"
    "\n"
    "A stream is a row of documents: one for each file that 'load' reads. Chains\n"
    "run document by document; 'batch' joins them, 'split' makes one of each image.\n"
    "\n"
    "A chain that begins with a source never reads standard input. On a terminal\n"
    "at its end the images are drawn, as 'show' does. --seed and --rng belong to the\n"
    "process that the chain starts in. Settings for all stages are exported:\n"
    "\n"
    "  export KILN_THREADS=4\n"
    "  kiln randn 8x1x28x28 | kiln mnist-unet mnist-class | kiln prompt 3 |\n"
    "      kiln cfg 5 | kiln ddpm | kiln save '%i.png'\n"
    "\n"
    "A stage that fails says so in the stream; the stages below stop with status 3,\n"
    "so $? is right without pipefail ('kiln help errors').\n"
    "'kiln inspect FILE' shows what is in a stream.\n";

static const char prompt[] =
    "A prompt is a text that says what an image shall show. To the MNIST nets it is\n"
    "a digit; nets for words want a text encoder ('t5', 'embeddings') before them.\n"
    "\"\" is no prompt: what guidance compares with.\n"
    "\n"
    "Each image has its own. 'prompt a b' gives two images the prompts a and b; more\n"
    "images than texts take them in turn; one image and k texts make k images with\n"
    "the same noise. 'digits' gives each image its label.\n"
    "\n"
    "Where a parameter wants a model, a text stands for [ prompt TEXT ]:\n"
    "  anagram 6 9 view=\"rotate 180\"      hybrid 0 1\n"
    "\n"
    "cfg negative=TEXT guides away from a text instead of from \"\". Prompts with\n"
    "blanks, quotes or newlines need the shell's quotes and nothing else.\n";

static const char range[] =
    "The values of black and white travel with the image: -1,1 from 'load', 0,1\n"
    "from 'digits', and what a net wants is said by the net. 'noise' and samplers\n"
    "bring a clean image to the net's range first; images that are joined are\n"
    "brought to that of the first. The node 'range' converts by hand, 'clamp' cuts\n"
    "off what lies outside. 'save' maps the range to black and white and clamps.\n"
    "\n"
    "t says how noisy an image is, by the timesteps of the net's schedule: clean, a\n"
    "number, or pure noise. Name the net before you speak of t. Without a net say\n"
    "the schedule (noise t=250 schedule=cosine) or the noise itself (noise\n"
    "sigma=0.5). Samplers start at the image's t and leave it clean.\n"
    "\n"
    "Numbers: 1,2,5 is a list, 0:5 is 0,1,2,3,4, and 990:-1:-30 counts down from 990\n"
    "to 0; the end is excluded. 64x64 is a size, width before height;\n"
    "4x1x28x28 is a shape: images, channels, height, width.\n";

static const char errors[] =
    "One line on standard error, 'kiln: node: parameter: what is wrong'.\n"
    "\n"
    "  0    done\n"
    "  1    failed: files, and what only the data shows (no net for a sampler)\n"
    "  2    usage: all that is found before anything runs\n"
    "  3    a stage above failed, or was cut off between documents\n"
    "  70   a plugin crashed\n"
    "  130  interrupted\n"
    "  141  nobody reads the output any more\n"
    "\n"
    "In a pipe the failed stage prints its message, and the last one repeats it\n"
    "after 'upstream:'. Status 3 travels down.\n"
    "\n"
    "  -n, --dry-run      checks everything and runs nothing\n"
    "  -k, --keep-going   leaves out documents that fail; the status is 1 then\n"
    "  -v                 says more\n"
    "\n"
    "Files appear under their names when they are whole, or not at all. 'check'\n"
    "finds what is wrong with a plugin, 'inspect' what is in a file.\n";

static const char options[] =
    "Options stand before the chain or verb. Each has a name in the environment,\n"
    "where those without a value are yes or no.\n"
    "\n"
    "  -s, --seed N         KILN_SEED        of all random numbers (0); only where a\n"
    "                                        chain starts\n"
    "      --rng SOURCE     KILN_RNG         kiln: by seed, node, image and t;\n"
    "                                        torch: PyTorch's stream; or a file of\n"
    "                                        tensors draw.000000, draw.000001 …\n"
    "  -d, --device NAME    KILN_DEVICE      cpu or cuda[:N] (cpu)\n"
    "  -j, --threads N      KILN_THREADS     0: all processors (0)\n"
    "      --pin            KILN_PIN         each thread on a processor of its own:\n"
    "                                        for a machine that is kiln's alone\n"
    "      --precision P    KILN_PRECISION   fast, exact, bf16 or fp16 (fast)\n"
    "      --max-batch N    KILN_MAX_BATCH   images in one call of a net; 0: as many\n"
    "                                        as there are (0)\n"
    "      --max-memory N   KILN_MAX_MEMORY  8G, 500M, or a share of it all (75%)\n"
    "  -P, --plugins DIR    KILN_PLUGINS     searched first; repeat it; in the\n"
    "                                        environment with : between folders\n"
    "  -M, --models DIR     KILN_MODELS      the same for models\n"
    "  -n, --dry-run        KILN_DRY_RUN     check all, print the chain, run nothing\n"
    "  -k, --keep-going     KILN_KEEP_GOING  leave out documents that fail\n"
    "      --preview FILE   KILN_PREVIEW     a PNG of the estimate, while it works\n"
    "  -q, --quiet          KILN_QUIET       no notes, no progress\n"
    "  -v, --verbose        KILN_VERBOSE     more notes\n"
    "  -h, --help\n"
    "  -V, --version\n"
    "\n"
    "In the environment alone: KILN_CPU=ref|avx2|avx512|amx caps the instruction\n"
    "set, KILN_DATA is a folder of data searched before what is installed. An\n"
    "option wins over the environment.\n"
    "\n"
    "Your own plugins and models for all chains lie in ~/.local/share/kiln/plugins\n"
    "and models ($XDG_DATA_HOME/kiln where that is set); they are searched after\n"
    "those folders and before what is installed.\n";

const struct topic topics[] = {
    {"chain", "how a chain is written: arguments, brackets, order", chain},
    {"pipe", "several processes, documents, standard input and output", pipe},
    {"prompt", "what images shall show", prompt},
    {"range", "value ranges, t, and how numbers are written", range},
    {"errors", "messages and exit status", errors},
    {"options", "of the command line, and their names in the environment", options},
    {NULL, NULL, NULL},
};
