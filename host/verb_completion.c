// completion: a script for a shell, made from the tables.
// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "help_topics.h"
#include "node_text.h"
#include "verbs.h"

struct nodes {
    const struct node_def *const *def;  // each name once
    size_t n;
};

static const char long_options[] =
    "--seed --rng --device --threads --pin --precision --max-batch --max-memory --plugins --models "
    "--dry-run --keep-going --preview --quiet --verbose --help --version";
// Options whose next word is their value.
static const char valued[] = "-s|--seed|--rng|-d|--device|-j|--threads|--precision|--max-batch|"
                             "--max-memory|-P|--plugins|-M|--models|--preview";

static int is_repeated(const struct nodes *all, size_t i)
{
    return i && !strcmp(all->def[i]->node->name, all->def[i - 1]->node->name);
}

// For 'single quotes' of each of the shells.
static char *quoted(const char *s, const char *quote)
{
    struct text t = {0};
    for (; s && *s; s++)
        if (*s == '\'')
            text_add(&t, quote);
        else
            text_add_n(&t, *s == '\n' ? " " : s, 1);
    return text_take(&t);
}

static void print_words(const struct nodes *all)
{
    for (size_t i = 0; i < all->n; i++)
        if (!is_repeated(all, i))
            printf(" %s", all->def[i]->node->name);
}

static void print_verbs(void)
{
    for (const struct verb *v = verbs; v->name; v++)
        printf(" %s", v->name);
}

static void print_topics(void)
{
    for (const struct topic *t = topics; t->name; t++)
        printf(" %s", t->name);
}

static void print_kinds(void)
{
    for (int k = KIND_SOURCE; k <= KIND_TRAINER; k++)
        printf(" %s", kind_name((enum kind)k));
}

// "yes no", the words of an enum; NULL: the values cannot be listed.
static char *values_of(const kiln_param *p)
{
    if (p->type == KILN_BOOL)
        return xstrdup("yes no");
    if (p->type != KILN_ENUM)
        return NULL;
    struct text t = {0};
    char *choice;
    for (size_t k = 0; (choice = param_choice(p, k)); k++) {
        text_format(&t, "%s%s", k ? " " : "", choice);
        free(choice);
    }
    return text_take(&t);
}

// Two functions in the form that bash and zsh share: a node's parameters, and a parameter's values.
static void print_tables(const struct nodes *all)
{
    puts("_kiln_params() {\n    case $1 in");
    for (size_t i = 0; i < all->n; i++) {
        const kiln_node *node = all->def[i]->node;
        if (is_repeated(all, i) || !node->n_params)
            continue;
        printf("    %s) echo '", node->name);
        for (uint32_t k = 0; k < node->n_params; k++)
            printf("%s%s=", k ? " " : "", node_param(node, k)->name);
        puts("' ;;");
    }
    puts("    esac\n}\n_kiln_values() {\n    case $1 in");
    for (size_t i = 0; i < all->n; i++) {
        const kiln_node *node = all->def[i]->node;
        for (uint32_t k = 0; !is_repeated(all, i) && k < node->n_params; k++) {
            char *values = values_of(node_param(node, k));
            if (values)
                printf("    %s.%s) echo '%s' ;;\n", node->name, node_param(node, k)->name, values);
            free(values);
        }
    }
    puts("    esac\n}");
    // The node that the words belong to, or what else the next word is; words come after "kiln".
    printf("_kiln_place() {\n"
           "    local w place=first skip= stack=()\n"
           "    for w in \"$@\"; do\n"
           "        if [[ -n $skip ]]; then skip=; continue; fi\n"
           "        case $place:$w in\n"
           "        first:-*) case $w in %s) skip=1 ;; esac ;;\n"
           "        verb-*) [[ $w == '!' && $place == verb-run ]] && place=name ;;\n"
           "        *:'!') place=name ;;\n"
           "        *:'[') stack=(\"$place\" \"${stack[@]}\"); place=name ;;\n"
           "        *:']')\n"
           "            for place in \"${stack[@]}\" name; do break; done\n"
           "            stack=(\"${stack[@]:1}\") ;;\n"
           "        first:help|first:list|first:inspect|first:recipe|first:run|first:new|"
           "first:check|first:version|first:completion) place=verb-$w ;;\n"
           "        first:*|name:*) place=node-$w ;;\n"
           "        esac\n"
           "    done\n"
           "    [[ -n $skip ]] && place=value\n"
           "    echo \"$place\"\n"
           "}\n",
           valued);
}

static void print_bash(const struct nodes *all)
{
    puts("# bash completion of kiln: source <(kiln completion bash)");
    print_tables(all);
    puts("_kiln() {\n"
         "    local line=${COMP_LINE:0:COMP_POINT} cur words place name key\n"
         "    cur=${line##*[[:space:]]}\n"
         "    read -ra words <<<\"${line%\"$cur\"}\"\n"
         "    place=$(_kiln_place \"${words[@]:1}\")\n"
         "    COMPREPLY=()\n"
         "    case $place in\n"
         "    first)");
    printf("        if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n",
           long_options);
    printf("        else COMPREPLY=($(compgen -W '");
    print_verbs();
    print_words(all);
    puts("' -- \"$cur\")); fi ;;");
    printf("    name) COMPREPLY=($(compgen -W '");
    print_words(all);
    puts("' -- \"$cur\")) ;;");
    printf("    verb-help) COMPREPLY=($(compgen -W '");
    print_topics();
    print_verbs();
    print_words(all);
    puts("' -- \"$cur\")) ;;");
    printf("    verb-list|verb-new) COMPREPLY=($(compgen -W '");
    print_kinds();
    puts("' -- \"$cur\")) ;;\n"
         "    verb-completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\")) ;;\n"
         "    verb-version) COMPREPLY=($(compgen -W '-v' -- \"$cur\")) ;;\n"
         "    node-*)\n"
         "        name=${place#node-}\n"
         "        if [[ $cur == *=* ]]; then\n"
         "            key=${cur%%=*}\n"
         "            COMPREPLY=($(compgen -W \"$(_kiln_values \"$name.$key\")\" -- "
         "\"${cur#*=}\"))\n"
         "            [[ ${#COMPREPLY[@]} -eq 0 ]] && "
         "COMPREPLY=($(compgen -f -- \"${cur#*=}\"))\n"
         "            [[ $COMP_WORDBREAKS == *=* ]] || "
         "COMPREPLY=(\"${COMPREPLY[@]/#/$key=}\")\n"
         "        else\n"
         "            COMPREPLY=($(compgen -W \"$(_kiln_params \"$name\")\" -- \"$cur\"))\n"
         "            [[ ${#COMPREPLY[@]} -gt 0 ]] && compopt -o nospace 2>/dev/null\n"
         "        fi ;;\n"
         "    esac\n"
         "}\n"
         "complete -o bashdefault -o default -F _kiln kiln");
}

static void print_described(const struct nodes *all, int with_verbs)
{
    for (const struct verb *v = verbs; with_verbs && v->name; v++) {
        char *summary = quoted(v->summary, "'\\''");
        printf("        '%s:%s'\n", v->name, summary);
        free(summary);
    }
    for (size_t i = 0; i < all->n; i++) {
        if (is_repeated(all, i))
            continue;
        char *summary = quoted(all->def[i]->node->summary, "'\\''");
        printf("        '%s:%s'\n", all->def[i]->node->name, summary);
        free(summary);
    }
}

static void print_zsh(const struct nodes *all)
{
    puts("#compdef kiln\n# zsh completion of kiln: kiln completion zsh > DIR/_kiln, DIR in fpath");
    print_tables(all);
    puts("_kiln() {\n"
         "    local cur=${words[CURRENT]} place name\n"
         "    local -a nodes verbs list\n"
         "    nodes=(");
    print_described(all, 0);
    puts("    )\n    verbs=(");
    print_described(&(struct nodes){0}, 1);
    puts("    )\n"
         "    place=$(_kiln_place \"${(@)words[2,CURRENT-1]}\")\n"
         "    case $place in\n"
         "    first)");
    printf("        if [[ $cur == -* ]]; then compadd -- %s\n", long_options);
    puts("        else _describe -t verbs verb verbs; _describe -t nodes node nodes; fi ;;\n"
         "    name) _describe -t nodes node nodes ;;");
    printf("    verb-help) compadd --");
    print_topics();
    print_verbs();
    print_words(all);
    puts(" ;;");
    printf("    verb-list|verb-new) compadd --");
    print_kinds();
    puts(" ;;\n"
         "    verb-completion) compadd -- bash zsh fish ;;\n"
         "    node-*)\n"
         "        name=${place#node-}\n"
         "        if [[ $cur == *=* ]]; then\n"
         "            list=(${=\"$(_kiln_values \"$name.${cur%%=*}\")\"})\n"
         "            compset -P '*='\n"
         "            if (( $#list )); then compadd -a -- list; else _files; fi\n"
         "        else\n"
         "            list=(${=\"$(_kiln_params \"$name\")\"})\n"
         "            compadd -S '' -a -- list\n"
         "            _files\n"
         "        fi ;;\n"
         "    *) _files ;;\n"
         "    esac\n"
         "}\n"
         "if [[ ${funcstack[1]} == _kiln ]]; then _kiln \"$@\"\n"
         "elif (( $+functions[compdef] )); then compdef _kiln kiln; fi");
}

static void print_fish(const struct nodes *all)
{
    char *options = xstrdup(valued);
    for (char *s = options; *s; s++)
        *s = *s == '|' ? ' ' : *s;
    printf("# fish completion of kiln: kiln completion fish > "
           "~/.config/fish/completions/kiln.fish\n"
           "function __kiln_place\n"
           "    set -l place first\n"
           "    set -l skip 0\n"
           "    set -l stack\n"
           "    for w in (commandline -opc)[2..-1]\n"
           "        if test $skip = 1\n"
           "            set skip 0\n"
           "            continue\n"
           "        end\n"
           "        if string match -q 'verb-*' -- $place\n"
           "            if test \"$w\" = '!' -a $place = verb-run\n"
           "                set place name\n"
           "            end\n"
           "            continue\n"
           "        end\n"
           "        switch $w\n"
           "            case '!'\n"
           "                set place name\n"
           "            case '['\n"
           "                set stack $place $stack\n"
           "                set place name\n"
           "            case ']'\n"
           "                set place $stack[1]\n"
           "                set -e stack[1]\n"
           "            case '-*'\n"
           "                if test $place = first; and contains -- $w %s\n"
           "                    set skip 1\n"
           "                end\n"
           "            case '*'\n"
           "                if test $place = first; and contains -- $w",
           options);
    free(options);
    print_verbs();
    puts("\n"
         "                    set place verb-$w\n"
         "                else if test $place = first -o $place = name\n"
         "                    set place node-$w\n"
         "                end\n"
         "        end\n"
         "    end\n"
         "    test $skip = 1; and set place value\n"
         "    echo $place\n"
         "end\n"
         "function __kiln_at\n"
         "    contains -- (__kiln_place) $argv\n"
         "end");
    for (const struct verb *v = verbs; v->name; v++) {
        char *summary = quoted(v->summary, "\\'");
        printf("complete -c kiln -f -n '__kiln_at first' -a %s -d '%s'\n", v->name, summary);
        free(summary);
    }
    for (const char *s = long_options; *s;) {
        size_t n = strcspn(s, " ");
        printf("complete -c kiln -n '__kiln_at first' -l %.*s\n", (int)n - 2, s + 2);
        s += n + (s[n] == ' ');
    }
    printf("complete -c kiln -f -n '__kiln_at verb-help' -a '");
    print_topics();
    print_verbs();
    printf("'\ncomplete -c kiln -f -n '__kiln_at verb-list verb-new' -a '");
    print_kinds();
    puts("'\ncomplete -c kiln -f -n '__kiln_at verb-completion' -a 'bash zsh fish'");
    for (size_t i = 0; i < all->n; i++) {
        const kiln_node *node = all->def[i]->node;
        if (is_repeated(all, i))
            continue;
        char *summary = quoted(node->summary, "\\'");
        printf("complete -c kiln -f -n '__kiln_at first name verb-help' -a %s -d '%s'\n",
               node->name, summary);
        free(summary);
        for (uint32_t k = 0; k < node->n_params; k++) {
            const kiln_param *p = node_param(node, k);
            char *help = quoted(p->help, "\\'"), *values = values_of(p), *v, *rest = values;
            printf("complete -c kiln -n '__kiln_at node-%s' -a %s= -d '%s'\n", node->name, p->name,
                   help);
            while (values && (v = strtok_r(rest, " ", &rest)))
                printf("complete -c kiln -n '__kiln_at node-%s' -a %s=%s\n", node->name, p->name,
                       v);
            free(values);
            free(help);
        }
    }
}

int verb_completion(int argc, char **argv)
{
    struct nodes all;
    char *const *problems;
    size_t n_problems;
    if (argc != 2)
        return argc < 2 ? verb_usage("completion", "for which shell?")
                        : verb_usage("completion", "'%s' is a word too many", argv[2]);
    void (*print)(const struct nodes *) = !strcmp(argv[1], "bash")   ? print_bash
                                          : !strcmp(argv[1], "zsh")  ? print_zsh
                                          : !strcmp(argv[1], "fish") ? print_fish
                                                                     : NULL;
    if (!print)
        return verb_usage("completion", "no script for '%s'", argv[1]);
    registry_all(&all.def, &all.n, &problems, &n_problems);
    print(&all);
    return verb_end(0);
}
