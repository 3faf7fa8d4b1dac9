/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *does;
} commands[] = {
    {"train", cmd_train, "train a quantized network from CSV or IDX data; writes an ONNX file"},
    {"prune", cmd_prune, "remove neurons from a network, exactly, and fine-tune what is left; writes an ONNX file"},
    {"compile", cmd_compile, "turn an ONNX file into a circuit: ranges, tables, secure parameters"},
    {"inspect", cmd_inspect, "show what a circuit, key or ciphertext file is"},
    {"evaluate", cmd_evaluate, "accuracy of a circuit in clear, simulated or encrypted"},
    {"audit", cmd_audit, "an encrypted run against the clear one and the noise model, layer by layer"},
    {"keygen", cmd_keygen, "make a client key (secret) and an evaluation key for a circuit"},
    {"encrypt", cmd_encrypt, "client: encrypt samples"},
    {"run", cmd_run, "server: run a circuit on encrypted samples, without any secret"},
    {"decrypt", cmd_decrypt, "client: decrypt answers"},
    {"picture", cmd_picture, "print images of a data set as text"},
    {"calibrate", cmd_calibrate, "measure this processor, for the parameter search and predicted times"},
};

static void usage(FILE *out)
{
    fprintf(out, "Usage: annulus COMMAND [OPTION...]\nEncrypted neural-network inference.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].does);
    fprintf(out, "\n'annulus COMMAND --help' explains a command; 'annulus --version' prints the version.\n"
                 "Exit status: 0 done, 1 failed, 2 misused; 128 + N: stopped by signal N.\n");
}

int main(int argc, char **argv)
{
    argp_err_exit_status = 2;
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of writing, and leaves nothing behind */
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("annulus %s\n", annulus_version());
        return finish_stdout();
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return finish_stdout();
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            char name[32];
            (void)snprintf(name, sizeof name, "annulus %s", commands[i].name);
            argv[1] = name;
            return stop_finish(commands[i].run(argc - 1, argv + 1));
        }
    fprintf(stderr, "annulus: unknown command \"%s\"; 'annulus --help' lists them\n", argv[1]);
    return 2;
}
