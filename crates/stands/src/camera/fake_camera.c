// A camera for machines that have none. It is a fake: no driver, no device, only the calls that programs would make
// to them. Loaded into a program before all else, it answers for the paths that FAKE_CAMERAS names as a USB camera
// behind Video4Linux2 does, and hides the cameras that the machine may have after all.
//
// FAKE_CAMERAS: one or more of PATH|CONTROL|FORMATS|RATES|EPOCH|NAME, with semicolons between. PATH is /dev/videoN with an
// even N; N+1 is the node for metadata that such cameras have too, and that gives no pictures. FORMATS are fourccs
// with commas (YUYV, NV12, MJPG, and BARE for MJPG whose pictures lack their Huffman tables, as is common). RATES are
// fractions with commas. EPOCH, in nanoseconds of CLOCK_MONOTONIC, is when picture 0 was taken: picture n shows the
// number n and is stamped EPOCH + n/rate, whoever looks or does not. NAME is a number that goes into what the camera calls
// itself: with the same one, two paths are one camera that was plugged in again.
//
// CONTROL is a file with one word, which may be replaced at any time:
//   there    it works
//   gone     it is unplugged: not listed, ENODEV for those who have it open
//   denied   EACCES for those who open it
//   busy     somebody else has it: EBUSY when pictures are asked for
//   frozen   it gives the same picture again and again
//   stalled  it gives no pictures
// CONTROL.journal gets a line for each open, close, format, start and stop.
//
// Who calls the kernel by other ways than the C library is not reached. inotify and udev know nothing of it.
//
// cc -shared -fPIC -O2 -pthread -o fake_camera.so fake_camera.c
#define _GNU_SOURCE
// Programs ask with null where headers promise that they never do, to see whether a call is there at all.
#pragma GCC optimize("no-delete-null-pointer-checks")
#pragma GCC diagnostic ignored "-Wnonnull-compare"
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { CAMERAS = 4, HANDLES = 16, LISTINGS = 16, BUFFERS = 8, FORMATS = 3, RATES = 4, COLUMNS = 8, ROWS = 4 };

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })

// ---- The cameras that there are -------------------------------------------------------------------------------------

struct camera {
    char path[64], node[64], control[256], journal[300];
    int number, name;
    bool is_bare;
    uint32_t formats[FORMATS];
    struct v4l2_fract rates[RATES]; // a second over the rate, as intervals
    uint64_t epoch;
};

static struct camera cameras[CAMERAS];

static const struct { uint16_t width, height; } sizes[] = {{1280, 720}, {1920, 1080}, {848, 480}, {640, 480}, {640, 360}, {320, 240}};
enum { SIZES = sizeof sizes / sizeof *sizes, SLOT = (1920 * 1080 * 2 + 4095) / 4096 * 4096 };

static void read_formats(struct camera *camera, char *words) {
    int count = 0;
    for (char *rest, *word = strtok_r(words, ",", &rest); word && count < FORMATS; word = strtok_r(NULL, ",", &rest)) {
        bool is_bare = strcmp(word, "BARE") == 0;
        camera->is_bare |= is_bare;
        memcpy(&camera->formats[count++], is_bare ? "MJPG" : word, 4);
    }
}

static void read_rates(struct camera *camera, char *words) {
    int count = 0;
    for (char *rest, *word = strtok_r(words, ",", &rest); word && count < RATES; word = strtok_r(NULL, ",", &rest)) {
        unsigned pictures = 30, seconds = 1;
        sscanf(word, "%u/%u", &pictures, &seconds);
        camera->rates[count++] = (struct v4l2_fract){seconds, pictures};
    }
}

__attribute__((constructor)) static void read_cameras(void) {
    const char *given = getenv("FAKE_CAMERAS");
    char *all = strdup(given ? given : ""), *rest;
    struct camera *camera = cameras;
    for (char *one = strtok_r(all, ";", &rest); one && camera < cameras + CAMERAS; one = strtok_r(NULL, ";", &rest)) {
        char *words[6], *left;
        int count = 0;
        for (char *word = strtok_r(one, "|", &left); word && count < 6; word = strtok_r(NULL, "|", &left))
            words[count++] = word;
        if (count < 6 || sscanf(words[0], "/dev/video%d", &camera->number) != 1)
            continue;
        snprintf(camera->path, sizeof camera->path, "%s", words[0]);
        snprintf(camera->node, sizeof camera->node, "/dev/video%d", camera->number + 1);
        snprintf(camera->control, sizeof camera->control, "%s", words[1]);
        snprintf(camera->journal, sizeof camera->journal, "%s.journal", words[1]);
        read_formats(camera, words[2]);
        read_rates(camera, words[3]);
        camera->epoch = strtoull(words[4], NULL, 10);
        camera->name = atoi(words[5]);
        camera++;
    }
    free(all);
}

enum state { THERE, GONE, DENIED, BUSY, FROZEN, STALLED };

static enum state state_of(const struct camera *camera) {
    static const char *words[] = {"there", "gone", "denied", "busy", "frozen", "stalled"};
    char word[16] = "gone";
    int file = REAL(open)(camera->control, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t length = read(file, word, sizeof word - 1);
        word[length < 0 ? 0 : length] = 0;
        REAL(close)(file);
    }
    for (int state = THERE; state <= STALLED; state++)
        if (strncmp(word, words[state], strlen(words[state])) == 0)
            return state;
    return GONE;
}

static void note(const struct camera *camera, const char *what) {
    int file = REAL(open)(camera->journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0)
        return;
    if (write(file, what, strlen(what)) < 0 || write(file, "\n", 1) < 0)
        abort();
    REAL(close)(file);
}

// USB cannot carry everything: large pictures come compressed, and raw ones at 720p slowly.
static bool offers(uint32_t format, int size, const struct v4l2_fract *interval) {
    bool is_compressed = format == V4L2_PIX_FMT_MJPEG;
    if (sizes[size].height > 720 && !is_compressed)
        return false;
    bool is_slow = interval->denominator <= 15 * interval->numerator;
    return interval->denominator && (format != V4L2_PIX_FMT_YUYV || sizes[size].height < 720 || is_slow);
}

static const struct v4l2_fract *interval_at(const struct camera *camera, uint32_t format, int size, unsigned index) {
    for (const struct v4l2_fract *interval = camera->rates; interval < camera->rates + RATES; interval++)
        if (offers(format, size, interval) && index-- == 0)
            return interval;
    return NULL;
}

// -1 where there is none.
static int size_at(const struct camera *camera, uint32_t format, unsigned index) {
    for (int size = 0; size < SIZES; size++)
        if (interval_at(camera, format, size, 0) && index-- == 0)
            return size;
    return -1;
}

// ---- Their pictures -------------------------------------------------------------------------------------------------

// Left and right ground, black, white; each as Y, Cb, Cr of BT.601. Raw pictures have the range of television,
// compressed ones all of it.
enum { LEFT, RIGHT, BLACK, WHITE };
static const uint8_t raw[4][3] = {{86, 107, 189}, {74, 184, 111}, {16, 128, 128}, {235, 128, 128}};
static const uint8_t full[4][3] = {{82, 104, 198}, {68, 191, 108}, {0, 128, 128}, {255, 128, 128}};

// Where the code lies: within the largest circle in the middle, and on the edges of compressed blocks.
struct layout { int width, height, left, top, across, down, half; };

static struct layout layout_of(int width, int height) {
    int across = height * 2 / 3 / COLUMNS / 8 * 8, down = height * 2 / 3 / ROWS / 8 * 8;
    return (struct layout){.width = width, .height = height, .across = across, .down = down,
        .left = (width - COLUMNS * across) / 2 / 16 * 16, .top = (height - ROWS * down) / 2 / 8 * 8,
        .half = width / 2 / 16 * 16};
}

static uint8_t turned(uint8_t byte, int by) { return byte << by | byte >> (8 - by); }

// 24 bits of the number, and eight that check it.
static uint32_t code_of(uint32_t number) {
    uint8_t low = number, middle = number >> 8, high = number >> 16;
    uint8_t check = turned(low, 1) ^ turned(middle, 3) ^ turned(high, 5) ^ 0x5A;
    return (number & 0xFFFFFF) | (uint32_t)check << 24;
}

static int color_at(const struct layout *at, uint32_t code, int x, int y) {
    int column = (x - at->left) / at->across, row = (y - at->top) / at->down;
    if (x < at->left || y < at->top || column >= COLUMNS || row >= ROWS)
        return x < at->half ? LEFT : RIGHT;
    return code >> (row * COLUMNS + column) & 1 ? WHITE : BLACK;
}

// Everything is eight pixels wide at least, so it is drawn in steps of that.
static void draw_raw(uint8_t *picture, uint32_t format, const struct layout *at, uint32_t code) {
    for (int y = 0; y < at->height; y++) {
        for (int x = 0; x < at->width; x += 8) {
            const uint8_t *color = raw[color_at(at, code, x, y)];
            uint8_t pair[4] = {color[0], color[1], color[0], color[2]};
            if (format == V4L2_PIX_FMT_YUYV) {
                for (int step = 0; step < 4; step++)
                    memcpy(picture + 2 * (y * at->width + x + 2 * step), pair, 4);
                continue;
            }
            memset(picture + y * at->width + x, color[0], 8);
            if (y % 2 == 0)
                for (int step = 0; step < 4; step++)
                    memcpy(picture + (at->height + y / 2) * at->width + x + 2 * step, color + 1, 2);
        }
    }
}

struct bits { uint8_t *at; uint32_t held; int count; };

static void put(struct bits *bits, uint32_t value, int count) {
    bits->held = bits->held << count | value;
    for (bits->count += count; bits->count >= 8; bits->count -= 8) {
        uint8_t byte = bits->held >> (bits->count - 8);
        *bits->at++ = byte;
        if (byte == 0xFF)
            *bits->at++ = 0;
    }
}

// A block of one colour: the difference of its mean from the last block's, and no waves.
static void put_block(struct bits *bits, bool is_luma, int difference) {
    static const uint8_t lengths[2][9] = {{2, 2, 2, 3, 4, 5, 6, 7, 8}, {2, 3, 3, 3, 3, 3, 4, 5, 6}};
    static const uint16_t codes[2][9] = {{0, 1, 2, 6, 14, 30, 62, 126, 254}, {0, 2, 3, 4, 5, 6, 14, 30, 62}};
    int size = difference ? 32 - __builtin_clz(abs(difference)) : 0;
    put(bits, codes[is_luma][size], lengths[is_luma][size]);
    put(bits, (difference < 0 ? difference - 1 : difference) & ((1 << size) - 1), size);
    if (is_luma)
        put(bits, 10, 4);
    else
        put(bits, 0, 2);
}

#define APPEND(bytes) (memcpy(out, bytes, sizeof bytes), out += sizeof bytes)

// Gives its length.
static size_t draw_jpeg(uint8_t *picture, bool is_bare, const struct layout *at, uint32_t code) {
    uint8_t *out = picture;
    static const uint8_t begin[] = {0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0};
    static const uint8_t tables[] = {0xFF, 0xC4, 0, 102,
        0x00, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
        0x01, 0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
        0x10, 0, 2, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 0x11,
        0x11, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    _Static_assert(sizeof tables == 2 + 102, "the length counts itself and what follows");
    const uint8_t frame[] = {0xFF, 0xC0, 0, 17, 8, at->height >> 8, at->height & 0xFF, at->width >> 8,
        at->width & 0xFF, 3, 1, 0x21, 0, 2, 0x11, 0, 3, 0x11, 0};
    static const uint8_t scan[] = {0xFF, 0xDA, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0};
    APPEND(begin);
    memset(out, 8, 64); // so that a block's mean is its colour
    out += 64;
    if (!is_bare)
        APPEND(tables);
    APPEND(frame);
    APPEND(scan);
    struct bits bits = {.at = out};
    int last[3] = {128, 128, 128};
    for (int y = 0; y < at->height; y += 8) {
        for (int x = 0; x < at->width; x += 16) {
            for (int block = 0; block < 4; block++) {
                int plane = block < 2 ? 0 : block - 1;
                int color = full[color_at(at, code, x + (block == 1 ? 8 : 0), y)][plane];
                put_block(&bits, plane == 0, color - last[plane]);
                last[plane] = color;
            }
        }
    }
    put(&bits, 0x7F, 7); // fills the last byte
    *bits.at++ = 0xFF;
    *bits.at++ = 0xD9;
    return bits.at - picture;
}

// ---- Those who have opened one --------------------------------------------------------------------------------------

struct handle {
    const struct camera *camera;
    bool is_node;            // for metadata
    int fd;                  // a pipe's end to read: a byte for each picture that waits, its end when unplugged
    int writer, memory;
    uint8_t *mapped;
    atomic_bool is_gone;
    uint32_t format;
    int size;
    struct v4l2_fract interval;
    int count;               // of buffers
    pthread_mutex_t lock;    // over what follows
    pthread_t thread;
    bool is_on;
    uint32_t sequence;
    uint64_t last;           // number shown
    struct { bool is_queued; uint32_t used, sequence; uint64_t at; } buffers[BUFFERS];
    int waiting[BUFFERS], waiting_count, done[BUFFERS], done_count;
};

static _Atomic(struct handle *) handles[HANDLES];

static struct handle *handle_of(int fd) {
    for (int index = 0; index < HANDLES; index++) {
        struct handle *handle = handles[index];
        if (handle && handle->fd == fd)
            return handle;
    }
    return NULL;
}

static const struct camera *camera_at(const char *path, bool *is_node) {
    for (const struct camera *camera = cameras; camera < cameras + CAMERAS && path; camera++) {
        if (!camera->path[0])
            continue;
        *is_node = strcmp(path, camera->node) == 0;
        if (*is_node || strcmp(path, camera->path) == 0)
            return camera;
    }
    return NULL;
}

static int fail(int error) {
    errno = error;
    return -1;
}

static void choose_format(struct handle *handle, uint32_t format, int size) {
    handle->format = format;
    handle->size = size;
    handle->interval = *interval_at(handle->camera, format, size, 0);
}

static int open_camera(const struct camera *camera, bool is_node, int flags) {
    enum state state = state_of(camera);
    if (state == GONE)
        return fail(ENOENT);
    if (state == DENIED)
        return fail(EACCES);
    int ends[2];
    struct handle *handle = calloc(1, sizeof *handle);
    if (!handle || pipe2(ends, O_CLOEXEC) < 0)
        return fail(ENOMEM);
    if (flags & O_NONBLOCK)
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
    handle->camera = camera;
    handle->is_node = is_node;
    handle->fd = ends[0];
    handle->writer = ends[1];
    handle->memory = memfd_create("fake camera", MFD_CLOEXEC);
    if (handle->memory < 0 || ftruncate(handle->memory, (off_t)BUFFERS * SLOT) < 0)
        return fail(ENOMEM);
    handle->mapped = REAL(mmap)(NULL, (size_t)BUFFERS * SLOT, PROT_READ | PROT_WRITE, MAP_SHARED, handle->memory, 0);
    pthread_mutex_init(&handle->lock, NULL);
    choose_format(handle, camera->formats[0], size_at(camera, camera->formats[0], 0));
    for (int index = 0; index < HANDLES; index++) {
        struct handle *none = NULL;
        if (atomic_compare_exchange_strong(&handles[index], &none, handle)) {
            note(camera, is_node ? "open metadata" : "open");
            return handle->fd;
        }
    }
    return fail(EMFILE);
}

static uint64_t time_of(const struct handle *handle, uint64_t number) {
    unsigned __int128 since = (unsigned __int128)number * handle->interval.numerator * 1000000000u;
    return handle->camera->epoch + since / handle->interval.denominator;
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void draw(struct handle *handle, int index, uint32_t number) {
    struct layout at = layout_of(sizes[handle->size].width, sizes[handle->size].height);
    uint8_t *picture = handle->mapped + (size_t)index * SLOT;
    size_t pixels = (size_t)at.width * at.height, used = pixels * 2;
    if (handle->format == V4L2_PIX_FMT_MJPEG) {
        used = draw_jpeg(picture, handle->camera->is_bare, &at, code_of(number));
    } else {
        used = handle->format == V4L2_PIX_FMT_NV12 ? pixels * 3 / 2 : used;
        draw_raw(picture, handle->format, &at, code_of(number));
    }
    handle->buffers[index].used = used;
}

// The picture of this instant, into the buffer that has waited longest; it is lost where none waits.
static void take(struct handle *handle, uint64_t number, enum state state) {
    if (state == STALLED)
        return;
    handle->last = state == FROZEN && handle->last ? handle->last : number;
    handle->sequence++;
    if (!handle->waiting_count)
        return;
    int index = handle->waiting[0];
    memmove(handle->waiting, handle->waiting + 1, --handle->waiting_count * sizeof(int));
    draw(handle, index, handle->last);
    handle->buffers[index].at = time_of(handle, number);
    handle->buffers[index].sequence = handle->sequence;
    handle->done[handle->done_count++] = index;
    if (write(handle->writer, "", 1) < 0)
        abort();
}

static void *run(void *argument) {
    struct handle *handle = argument;
    uint64_t period = 1000000000ull * handle->interval.numerator / handle->interval.denominator;
    for (uint64_t number = (now() - handle->camera->epoch) / period + 1;; number++) {
        uint64_t at = time_of(handle, number);
        struct timespec time = {at / 1000000000, at % 1000000000};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
            ;
        pthread_mutex_lock(&handle->lock);
        bool is_on = handle->is_on;
        enum state state = state_of(handle->camera);
        if (is_on && state == GONE) {
            handle->is_gone = true;
            REAL(close)(handle->writer);
            handle->writer = -1;
            is_on = false;
        }
        if (is_on)
            take(handle, number, state);
        pthread_mutex_unlock(&handle->lock);
        if (!is_on)
            return NULL;
    }
}

static int start(struct handle *handle) {
    if (handle->is_on)
        return 0;
    if (!handle->count)
        return fail(EINVAL);
    if (state_of(handle->camera) == BUSY)
        return fail(EBUSY);
    for (int index = 0; index < HANDLES; index++) {
        struct handle *other = handles[index];
        if (other && other != handle && other->camera == handle->camera && other->is_on)
            return fail(EBUSY);
    }
    char line[64];
    snprintf(line, sizeof line, "start %.4s %dx%d %u/%u", (const char *)&handle->format, sizes[handle->size].width,
        sizes[handle->size].height, handle->interval.denominator, handle->interval.numerator);
    note(handle->camera, line);
    handle->is_on = true;
    handle->sequence = UINT32_MAX;
    return pthread_create(&handle->thread, NULL, run, handle) ? fail(ENOMEM) : 0;
}

static void forget_buffers(struct handle *handle) {
    memset(handle->buffers, 0, sizeof handle->buffers);
    handle->waiting_count = 0;
    char byte;
    // Each that is done has put its byte in the pipe, so this does not wait.
    for (; handle->done_count; handle->done_count--)
        if (read(handle->fd, &byte, 1) < 0)
            abort();
}

static void stop(struct handle *handle) {
    pthread_mutex_lock(&handle->lock);
    bool was_on = handle->is_on;
    handle->is_on = false;
    pthread_mutex_unlock(&handle->lock);
    if (!was_on)
        return;
    pthread_join(handle->thread, NULL);
    forget_buffers(handle);
    note(handle->camera, "stop");
}

static int close_camera(struct handle *handle) {
    stop(handle);
    note(handle->camera, handle->is_node ? "close metadata" : "close");
    for (int index = 0; index < HANDLES; index++) {
        struct handle *same = handle;
        atomic_compare_exchange_strong(&handles[index], &same, NULL);
    }
    munmap(handle->mapped, (size_t)BUFFERS * SLOT);
    REAL(close)(handle->memory);
    if (handle->writer >= 0)
        REAL(close)(handle->writer);
    int fd = handle->fd;
    pthread_mutex_destroy(&handle->lock);
    free(handle);
    return REAL(close)(fd);
}

// ---- What they ask --------------------------------------------------------------------------------------------------

static int tell_capability(const struct handle *handle, struct v4l2_capability *about) {
    memset(about, 0, sizeof *about);
    strcpy((char *)about->driver, "uvcvideo");
    snprintf((char *)about->card, sizeof about->card, "Fake camera %u (for tests)", handle->camera->name % 100u);
    snprintf((char *)about->bus_info, sizeof about->bus_info, "usb-fake-%d", handle->camera->name);
    about->version = 6 << 16;
    about->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_META_CAPTURE | V4L2_CAP_STREAMING
        | V4L2_CAP_EXT_PIX_FORMAT | V4L2_CAP_DEVICE_CAPS;
    about->device_caps = V4L2_CAP_STREAMING | V4L2_CAP_EXT_PIX_FORMAT
        | (handle->is_node ? V4L2_CAP_META_CAPTURE : V4L2_CAP_VIDEO_CAPTURE);
    return 0;
}

static int tell_format(const struct camera *camera, struct v4l2_fmtdesc *about) {
    if (about->index >= FORMATS || !camera->formats[about->index])
        return fail(EINVAL);
    about->pixelformat = camera->formats[about->index];
    bool is_compressed = about->pixelformat == V4L2_PIX_FMT_MJPEG;
    about->flags = is_compressed ? V4L2_FMT_FLAG_COMPRESSED : 0;
    const char *name = is_compressed ? "Motion-JPEG" : about->pixelformat == V4L2_PIX_FMT_YUYV ? "YUYV 4:2:2" : "Y/CbCr 4:2:0";
    snprintf((char *)about->description, sizeof about->description, "%s", name);
    return 0;
}

static bool has_format(const struct camera *camera, uint32_t format) {
    return format && (format == camera->formats[0] || format == camera->formats[1] || format == camera->formats[2]);
}

static int tell_size(const struct camera *camera, struct v4l2_frmsizeenum *about) {
    int size = has_format(camera, about->pixel_format) ? size_at(camera, about->pixel_format, about->index) : -1;
    if (size < 0)
        return fail(EINVAL);
    about->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    about->discrete.width = sizes[size].width;
    about->discrete.height = sizes[size].height;
    return 0;
}

static int tell_interval(const struct camera *camera, struct v4l2_frmivalenum *about) {
    for (int size = 0; size < SIZES; size++) {
        if (sizes[size].width != about->width || sizes[size].height != about->height)
            continue;
        const struct v4l2_fract *interval = interval_at(camera, about->pixel_format, size, about->index);
        if (!has_format(camera, about->pixel_format) || !interval)
            break;
        about->type = V4L2_FRMIVAL_TYPE_DISCRETE;
        about->discrete = *interval;
        return 0;
    }
    return fail(EINVAL);
}

static void describe(struct v4l2_pix_format *about, uint32_t format, int size) {
    bool is_compressed = format == V4L2_PIX_FMT_MJPEG;
    uint32_t width = sizes[size].width, height = sizes[size].height, bytes = format == V4L2_PIX_FMT_NV12 ? 1 : 2;
    *about = (struct v4l2_pix_format){.width = width, .height = height, .pixelformat = format,
        .field = V4L2_FIELD_NONE, .bytesperline = is_compressed ? 0 : width * bytes,
        .sizeimage = format == V4L2_PIX_FMT_NV12 ? width * height * 3 / 2 : width * height * 2,
        .colorspace = is_compressed ? V4L2_COLORSPACE_JPEG : V4L2_COLORSPACE_SRGB};
}

// The format and size that come closest to a wish: this size, or the largest that is not larger.
static void choose(struct handle *handle, struct v4l2_pix_format *wish, bool is_try) {
    const struct camera *camera = handle->camera;
    uint32_t format = has_format(camera, wish->pixelformat) ? wish->pixelformat : camera->formats[0];
    int best = -1, size;
    for (unsigned index = 0; (size = size_at(camera, format, index)) >= 0; index++) {
        bool fits = sizes[size].width <= wish->width && sizes[size].height <= wish->height;
        if (fits && (best < 0 || sizes[size].width * sizes[size].height > sizes[best].width * sizes[best].height))
            best = size;
    }
    best = best < 0 ? size_at(camera, format, 0) : best;
    describe(wish, format, best);
    if (!is_try)
        choose_format(handle, format, best);
}

static int tell_rate(struct handle *handle, struct v4l2_streamparm *about, bool is_wish) {
    struct v4l2_fract wish = about->parm.capture.timeperframe, *chosen = &handle->interval;
    if (is_wish && wish.numerator && wish.denominator) {
        double wanted = (double)wish.numerator / wish.denominator, nearest = 1e9;
        const struct v4l2_fract *interval;
        for (unsigned index = 0; (interval = interval_at(handle->camera, handle->format, handle->size, index)); index++) {
            double off = (double)interval->numerator / interval->denominator - wanted;
            if ((off < 0 ? -off : off) < nearest) {
                nearest = off < 0 ? -off : off;
                *chosen = *interval;
            }
        }
    }
    memset(&about->parm, 0, sizeof about->parm);
    about->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    about->parm.capture.timeperframe = *chosen;
    return 0;
}

static int request(struct handle *handle, struct v4l2_requestbuffers *wish) {
    if (wish->memory != V4L2_MEMORY_MMAP)
        return fail(EINVAL);
    if (handle->is_on || state_of(handle->camera) == BUSY)
        return fail(EBUSY);
    wish->count = wish->count > BUFFERS ? BUFFERS : wish->count;
    wish->capabilities = V4L2_BUF_CAP_SUPPORTS_MMAP;
    handle->count = wish->count;
    forget_buffers(handle);
    return 0;
}

static void describe_buffer(const struct handle *handle, struct v4l2_buffer *about) {
    struct v4l2_pix_format format;
    describe(&format, handle->format, handle->size);
    about->length = format.sizeimage;
    about->memory = V4L2_MEMORY_MMAP;
    about->m.offset = about->index * SLOT;
    about->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    about->flags |= handle->buffers[about->index].is_queued ? V4L2_BUF_FLAG_QUEUED : 0;
}

static int queue(struct handle *handle, struct v4l2_buffer *wish) {
    int result = 0;
    pthread_mutex_lock(&handle->lock);
    if ((int)wish->index >= handle->count || handle->buffers[wish->index].is_queued) {
        result = fail(EINVAL);
    } else {
        handle->buffers[wish->index].is_queued = true;
        handle->waiting[handle->waiting_count++] = wish->index;
        describe_buffer(handle, wish);
    }
    pthread_mutex_unlock(&handle->lock);
    return result;
}

static int dequeue(struct handle *handle, struct v4l2_buffer *about) {
    if (!handle->is_on)
        return fail(EINVAL);
    char byte;
    ssize_t count = read(handle->fd, &byte, 1);
    if (count <= 0)
        return count < 0 ? -1 : fail(ENODEV);
    pthread_mutex_lock(&handle->lock);
    int index = handle->done[0];
    memmove(handle->done, handle->done + 1, --handle->done_count * sizeof(int));
    handle->buffers[index].is_queued = false;
    about->index = index;
    describe_buffer(handle, about);
    about->bytesused = handle->buffers[index].used;
    about->field = V4L2_FIELD_NONE;
    about->sequence = handle->buffers[index].sequence;
    about->timestamp.tv_sec = handle->buffers[index].at / 1000000000;
    about->timestamp.tv_usec = handle->buffers[index].at / 1000 % 1000000;
    pthread_mutex_unlock(&handle->lock);
    return 0;
}

static int ask(struct handle *handle, uint32_t what, void *about) {
    if (state_of(handle->camera) == GONE)
        handle->is_gone = true;
    // Pictures that are done are still handed out.
    if (handle->is_gone && what != VIDIOC_DQBUF && what != VIDIOC_STREAMOFF)
        return fail(ENODEV);
    if (what == VIDIOC_QUERYCAP)
        return tell_capability(handle, about);
    if (handle->is_node)
        return fail(EINVAL);
    // The first word of all that name a kind.
    bool is_picture = about && *(uint32_t *)about == V4L2_BUF_TYPE_VIDEO_CAPTURE;
    switch (what) {
    case VIDIOC_ENUM_FMT: return ((struct v4l2_fmtdesc *)about)->type != V4L2_BUF_TYPE_VIDEO_CAPTURE ? fail(EINVAL) : tell_format(handle->camera, about);
    case VIDIOC_ENUM_FRAMESIZES: return tell_size(handle->camera, about);
    case VIDIOC_ENUM_FRAMEINTERVALS: return tell_interval(handle->camera, about);
    case VIDIOC_G_FMT: return is_picture ? (describe(&((struct v4l2_format *)about)->fmt.pix, handle->format, handle->size), 0) : fail(EINVAL);
    case VIDIOC_S_FMT: return !is_picture ? fail(EINVAL) : handle->count ? fail(EBUSY) : (choose(handle, &((struct v4l2_format *)about)->fmt.pix, false), 0);
    case VIDIOC_TRY_FMT: return is_picture ? (choose(handle, &((struct v4l2_format *)about)->fmt.pix, true), 0) : fail(EINVAL);
    case VIDIOC_G_PARM: return is_picture ? tell_rate(handle, about, false) : fail(EINVAL);
    case VIDIOC_S_PARM: return !is_picture ? fail(EINVAL) : handle->is_on ? fail(EBUSY) : tell_rate(handle, about, true);
    case VIDIOC_REQBUFS: return request(handle, about);
    case VIDIOC_QUERYBUF: return (int)((struct v4l2_buffer *)about)->index < handle->count ? (describe_buffer(handle, about), 0) : fail(EINVAL);
    case VIDIOC_QBUF: return queue(handle, about);
    case VIDIOC_DQBUF: return dequeue(handle, about);
    case VIDIOC_STREAMON: return start(handle);
    case VIDIOC_STREAMOFF: return stop(handle), 0;
    case VIDIOC_G_INPUT: return *(int *)about = 0;
    case VIDIOC_S_INPUT: return *(int *)about ? fail(EINVAL) : 0;
    case VIDIOC_ENUMINPUT: {
        struct v4l2_input *input = about;
        if (input->index)
            return fail(EINVAL);
        strcpy((char *)input->name, "Camera");
        input->type = V4L2_INPUT_TYPE_CAMERA;
        return 0;
    }
    case VIDIOC_QUERYCTRL: case VIDIOC_QUERY_EXT_CTRL: case VIDIOC_G_CTRL: case VIDIOC_S_CTRL: return fail(EINVAL);
    default: return fail(ENOTTY);
    }
}

// ---- In place of the C library --------------------------------------------------------------------------------------

#define MODE int mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, int); va_end(list); }
#define CAMERA(path) bool is_node = false; const struct camera *camera = camera_at(path, &is_node)

// Headers promise that some paths are never null, and compilers believe them.
static const char *maybe_null(const char *path) { __asm__("" : "+r"(path)); return path; }

// Names within /dev are looked at as a whole.
static const char *whole(int folder, const char *path, char *room, size_t length) {
    struct stat here, dev;
    if (!path || strncmp(path, "video", 5) || folder == AT_FDCWD || REAL(fstat)(folder, &here) || REAL(stat)("/dev", &dev))
        return path;
    if (here.st_dev != dev.st_dev || here.st_ino != dev.st_ino)
        return path;
    snprintf(room, length, "/dev/%s", path);
    return room;
}

int open(const char *path, int flags, ...) { MODE CAMERA(path); return camera ? open_camera(camera, is_node, flags) : REAL(open)(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE CAMERA(path); return camera ? open_camera(camera, is_node, flags) : REAL(open64)(path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE char room[64]; CAMERA(whole(folder, path, room, sizeof room)); return camera ? open_camera(camera, is_node, flags) : REAL(openat)(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE char room[64]; CAMERA(whole(folder, path, room, sizeof room)); return camera ? open_camera(camera, is_node, flags) : REAL(openat64)(folder, path, flags, mode); }
int __open_2(const char *path, int flags) { return open(path, flags); }
int __open64_2(const char *path, int flags) { return open64(path, flags); }
int __openat_2(int folder, const char *path, int flags) { return openat(folder, path, flags); }
int __openat64_2(int folder, const char *path, int flags) { return openat64(folder, path, flags); }

int close(int fd) { struct handle *handle = handle_of(fd); return handle ? close_camera(handle) : REAL(close)(fd); }

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    struct handle *handle = fd >= 0 ? handle_of(fd) : NULL;
    return REAL(mmap)(at, length, protection, flags, handle ? handle->memory : fd, offset);
}
void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset) { return mmap(at, length, protection, flags, fd, offset); }

int ioctl(int fd, unsigned long what, ...) {
    va_list list; va_start(list, what); void *about = va_arg(list, void *); va_end(list);
    struct handle *handle = handle_of(fd);
    return handle ? ask(handle, what, about) : REAL(ioctl)(fd, what, about);
}

long syscall(long number, ...) {
    va_list list; va_start(list, number); long a[6]; for (int index = 0; index < 6; index++) a[index] = va_arg(list, long); va_end(list);
    struct handle *handle = number == SYS_ioctl ? handle_of(a[0]) : NULL;
    return handle ? ask(handle, a[1], (void *)a[2]) : REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// Gives false where the path is no camera; otherwise fills in what is known, or says that it is not there.
static bool looks(const char *path, int *result, mode_t *mode, dev_t *device) {
    CAMERA(path);
    if (!camera)
        return false;
    *result = state_of(camera) == GONE ? fail(ENOENT) : 0;
    *mode = S_IFCHR | 0660;
    *device = makedev(81, camera->number + is_node);
    return true;
}

static const char *path_of(int fd) { struct handle *handle = handle_of(fd); return !handle ? NULL : handle->is_node ? handle->camera->node : handle->camera->path; }

#define LOOK(path, about, otherwise) \
    int result; mode_t mode; dev_t device; \
    if (!looks(path, &result, &mode, &device)) return otherwise; \
    memset(about, 0, sizeof *about); about->st_mode = mode; about->st_rdev = device; about->st_nlink = 1; return result

int stat(const char *path, struct stat *about) { LOOK(path, about, REAL(stat)(path, about)); }
int stat64(const char *path, struct stat64 *about) { LOOK(path, about, REAL(stat64)(path, about)); }
int lstat(const char *path, struct stat *about) { LOOK(path, about, REAL(lstat)(path, about)); }
int lstat64(const char *path, struct stat64 *about) { LOOK(path, about, REAL(lstat64)(path, about)); }
int fstat(int fd, struct stat *about) { LOOK(path_of(fd), about, REAL(fstat)(fd, about)); }
int fstat64(int fd, struct stat64 *about) { LOOK(path_of(fd), about, REAL(fstat64)(fd, about)); }
int fstatat(int folder, const char *path, struct stat *about, int flags) { char room[64]; LOOK(maybe_null(path) && *path ? whole(folder, path, room, sizeof room) : path_of(folder), about, REAL(fstatat)(folder, path, about, flags)); }
int fstatat64(int folder, const char *path, struct stat64 *about, int flags) { char room[64]; LOOK(maybe_null(path) && *path ? whole(folder, path, room, sizeof room) : path_of(folder), about, REAL(fstatat64)(folder, path, about, flags)); }

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *about) {
    int result; mode_t mode; dev_t device; char room[64];
    if (!looks(maybe_null(path) && *path ? whole(folder, path, room, sizeof room) : path_of(folder), &result, &mode, &device))
        return REAL(statx)(folder, path, flags, mask, about);
    if (about) {
        *about = (struct statx){.stx_mask = STATX_TYPE | STATX_MODE, .stx_mode = mode, .stx_nlink = 1,
            .stx_rdev_major = major(device), .stx_rdev_minor = minor(device)};
    }
    return result;
}

static int may(const char *path, int how, int otherwise) {
    CAMERA(path);
    enum state state = camera ? state_of(camera) : THERE;
    return !camera ? otherwise : state == GONE ? fail(ENOENT) : state == DENIED && how != F_OK ? fail(EACCES) : 0;
}
int access(const char *path, int how) { CAMERA(path); return may(path, how, camera ? 0 : REAL(access)(path, how)); }
int faccessat(int folder, const char *path, int how, int flags) { char room[64]; const char *all = whole(folder, path, room, sizeof room); CAMERA(all); return may(all, how, camera ? 0 : REAL(faccessat)(folder, path, how, flags)); }

// Listings of /dev: the real one without its cameras, and then ours.
static struct { DIR *folder; int next; struct dirent entry; struct dirent64 entry64; } listings[LISTINGS];

DIR *opendir(const char *path) {
    DIR *folder = REAL(opendir)(path);
    if (!folder || !cameras[0].path[0] || (strcmp(path, "/dev") && strcmp(path, "/dev/")))
        return folder;
    for (int index = 0; index < LISTINGS; index++) {
        DIR *none = NULL;
        if (__atomic_compare_exchange_n(&listings[index].folder, &none, folder, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            listings[index].next = 0;
            break;
        }
    }
    return folder;
}

static int listing_of(DIR *folder) {
    for (int index = 0; index < LISTINGS; index++)
        if (folder && listings[index].folder == folder)
            return index;
    return -1;
}

int closedir(DIR *folder) {
    int index = listing_of(folder);
    if (index >= 0)
        listings[index].folder = NULL;
    return REAL(closedir)(folder);
}

static const char *next_name(int index) {
    while (listings[index].next < 2 * CAMERAS) {
        int next = listings[index].next++;
        const struct camera *camera = &cameras[next / 2];
        if (camera->path[0] && state_of(camera) != GONE)
            return (next % 2 ? camera->node : camera->path) + strlen("/dev/");
    }
    return NULL;
}

#define READDIR(kind, name, own) \
    struct kind *name(DIR *folder) { \
        int index = listing_of(folder); \
        struct kind *entry; \
        do entry = REAL(name)(folder); while (index >= 0 && entry && !strncmp(entry->d_name, "video", 5)); \
        const char *more = index < 0 || entry ? NULL : next_name(index); \
        if (!more) return entry; \
        entry = &listings[index].own; \
        *entry = (struct kind){.d_ino = 1, .d_reclen = sizeof *entry, .d_type = DT_CHR}; \
        snprintf(entry->d_name, sizeof entry->d_name, "%s", more); \
        return entry; \
    }
READDIR(dirent, readdir, entry)
READDIR(dirent64, readdir64, entry64)
