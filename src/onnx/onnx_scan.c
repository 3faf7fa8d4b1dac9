/* SPDX-License-Identifier: Apache-2.0 */
/* protobuf-c recurses once per nested message and lets small input become large trees: depth is checked on the wire
 * format before it runs, and its allocator has a limit. */
#include "onnx/onnx_priv.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64
#define UNPACK_FACTOR 8
#define UNPACK_EXTRA ((size_t)16 << 20)

typedef struct frame {
    size_t end;
    const ProtobufCMessageDescriptor *type;
} frame;

static int varint(const uint8_t *p, size_t end, size_t *pos, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && *pos < end; shift += 7) {
        const uint8_t b = p[(*pos)++];
        v |= (uint64_t)(b & 0x7f) << shift;
        if ((b & 0x80) == 0) {
            *out = v;
            return 1;
        }
    }
    return 0;
}

static annulus_status malformed(size_t pos)
{
    return fail(ANNULUS_ERR_INPUT, "not an ONNX model, or damaged near byte %zu", pos);
}

static annulus_status depth_check(const uint8_t *p, size_t len)
{
    frame stack[DEPTH_MAX];
    size_t depth = 1, pos = 0;
    stack[0] = (frame){len, &onnx__model_proto__descriptor};
    while (depth > 0) {
        const frame top = stack[depth - 1];
        uint64_t tag, n = 0;
        if (pos == top.end) {
            depth--;
            continue;
        }
        const size_t start = pos;
        if (!varint(p, top.end, &pos, &tag) || tag >> 3 == 0 || tag > UINT32_MAX) return malformed(start);
        const unsigned wire = (unsigned)(tag & 7);
        if (wire == 0 && !varint(p, top.end, &pos, &n)) return malformed(start);
        if (wire == 0) continue;
        if (wire == 1)
            n = 8;
        else if (wire == 5)
            n = 4;
        else if (wire != 2 || !varint(p, top.end, &pos, &n))
            return malformed(start);
        if (n > top.end - pos) return malformed(start);
        const ProtobufCFieldDescriptor *field =
            wire == 2 ? protobuf_c_message_descriptor_get_field(top.type, (unsigned)(tag >> 3)) : NULL;
        if (field == NULL || field->type != PROTOBUF_C_TYPE_MESSAGE) {
            pos += (size_t)n;
            continue;
        }
        if (depth == DEPTH_MAX)
            return fail(ANNULUS_ERR_INPUT, "messages are nested deeper than %d at byte %zu: not a plain ONNX model",
                        DEPTH_MAX, start);
        stack[depth++] = (frame){pos + (size_t)n, field->descriptor};
    }
    return ANNULUS_OK;
}

typedef struct allowance {
    size_t left;
    int exceeded;
} allowance;

static void *limited_alloc(void *context, size_t size)
{
    allowance *a = context;
    if (size > a->left) {
        a->exceeded = 1;
        return NULL;
    }
    a->left -= size;
    return malloc(size == 0 ? 1 : size);
}

static void limited_free(void *context, void *p)
{
    (void)context;
    free(p);
}

annulus_status onnx_scan(const uint8_t *bytes, size_t len, Onnx__ModelProto **out)
{
    static const char lfs[] = "version https://git-lfs";
    if (len == 0) return fail(ANNULUS_ERR_INPUT, "the file is empty");
    if (len >= sizeof lfs - 1 && memcmp(bytes, lfs, sizeof lfs - 1) == 0)
        return fail(ANNULUS_ERR_INPUT, "this is a git-LFS pointer, not the model: fetch it with `git lfs pull`");
    if (len > ONNX_FILE_MAX) return fail(ANNULUS_ERR_INPUT, "%zu bytes, at most %zu are read", len, ONNX_FILE_MAX);
    TRY(depth_check(bytes, len));
    allowance a = {.left = UNPACK_FACTOR * len + UNPACK_EXTRA};
    ProtobufCAllocator limited = {.alloc = limited_alloc, .free = limited_free, .allocator_data = &a};
    Onnx__ModelProto *m = onnx__model_proto__unpack(&limited, len, bytes);
    if (m == NULL && a.exceeded)
        return fail(ANNULUS_ERR_INPUT,
                    "unpacking %zu bytes takes more than %zu bytes of memory: not a plain ONNX model", len,
                    UNPACK_FACTOR * len + UNPACK_EXTRA);
    if (m == NULL) return fail(ANNULUS_ERR_INPUT, "not an ONNX model, or damaged");
    *out = m;
    return ANNULUS_OK;
}

void onnx_scan_destroy(Onnx__ModelProto *m)
{
    ProtobufCAllocator plain = {.alloc = limited_alloc, .free = limited_free, .allocator_data = NULL};
    if (m != NULL) onnx__model_proto__free_unpacked(m, &plain);
}
