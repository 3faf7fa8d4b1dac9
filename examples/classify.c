/* SPDX-License-Identifier: Apache-2.0 */
/* classify CSV: trains on the rows, then classifies the first eight of them under encryption, all in one process. In
 * earnest, client and server are two machines, and what passes between them are the files that the _write functions
 * make. cc classify.c $(pkg-config --cflags --libs annulus) */
#include <annulus/annulus.h>

#include <stdio.h>
#include <stdlib.h>

static void must(annulus_status st)
{
    if (st == ANNULUS_OK) return;
    fprintf(stderr, "%s\n", annulus_error_message());
    exit(1);
}

int main(int argc, char **argv)
{
    annulus_dataset *all, *eight;
    annulus_model *model;
    annulus_circuit *circuit;
    if (argc != 2) return 2;
    must(annulus_dataset_read_csv(argv[1], ANNULUS_CLASSIFICATION, NULL, NULL, &all));
    must(annulus_dataset_slice(all, 0, 8, &eight));

    annulus_train_options train;
    annulus_train_options_init(&train);
    train.hidden[0] = 8;
    train.hidden_count = 1;
    train.batch = 32;
    must(annulus_train(all, &train, NULL, NULL, NULL, &model));

    annulus_compile_options compile;
    annulus_compile_options_init(&compile);
    compile.rounding_bits = 0; /* exact: a cell for every value of an accumulator */
    must(annulus_compile(model, all, &compile, &circuit));

    /* the client makes the keys and encrypts */
    annulus_client_key *client;
    annulus_evaluation_key *evaluation;
    annulus_input *input;
    must(annulus_keygen(circuit, 0, NULL, &client, &evaluation));
    must(annulus_encrypt(client, circuit, eight, 0, &input));

    /* the server runs the circuit: evaluation key, no secret */
    annulus_output *output;
    must(annulus_run(circuit, evaluation, input, NULL, NULL, NULL, &output));

    /* the client decrypts */
    const size_t classes = annulus_circuit_outputs(circuit);
    double *encrypted = calloc(8 * classes, sizeof *encrypted), *clear = calloc(8 * classes, sizeof *clear);
    if (encrypted == NULL || clear == NULL) return 1;
    annulus_evaluation e;
    must(annulus_decrypt(client, circuit, output, encrypted));
    must(annulus_evaluate(circuit, eight, ANNULUS_CLEAR, 0, 0, NULL, clear, &e));
    size_t equal = 0;
    for (size_t i = 0; i < 8; i++) {
        const size_t answer = annulus_argmax(encrypted + i * classes, classes);
        equal += answer == annulus_argmax(clear + i * classes, classes);
        printf("row %zu: %s\n", i + 1, annulus_circuit_label(circuit, answer));
    }
    printf("%zu of 8 encrypted answers equal the clear ones\n", equal);

    free(encrypted);
    free(clear);
    annulus_output_destroy(output);
    annulus_input_destroy(input);
    annulus_evaluation_key_destroy(evaluation);
    annulus_client_key_destroy(client);
    annulus_circuit_destroy(circuit);
    annulus_model_destroy(model);
    annulus_dataset_destroy(eight);
    annulus_dataset_destroy(all);
    return 0;
}
