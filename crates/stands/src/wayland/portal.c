// What xdg-desktop-portal-wlr 0.7 lacks on a desktop without a GPU and without people. Loaded into it before all else.
//
// It can share a screen through memory, and still waits for the compositor to offer a DMA-BUF with each frame, which one
// without a GPU never does. So the offer is made here; the portal then finds no memory for it and uses what it was
// offered first. Upstream knows: https://github.com/emersion/xdg-desktop-portal-wlr/issues/289
//
// It has no button that ends the sharing, as other desktops have. So it ends when the file that STOP_SHARING names
// appears, which is then removed.
//
// cc -shared -fPIC -O2 -o portal.so portal.c
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wl_proxy;
const char *wl_proxy_get_class(struct wl_proxy *proxy);

// zwlr_screencopy_frame_v1, version 3: what a client hears about a frame, in the protocol's order.
struct listener {
    void (*buffer)(void *, struct wl_proxy *, uint32_t format, uint32_t width, uint32_t height, uint32_t stride);
    void (*flags)(void);
    void (*ready)(void);
    void (*failed)(void);
    void (*damage)(void);
    void (*linux_dmabuf)(void *, struct wl_proxy *, uint32_t format, uint32_t width, uint32_t height);
    void (*buffer_done)(void);
};

static const struct listener *portal;
static struct listener ours;

// wl_shm has two names of its own; its other formats are called as everywhere.
static uint32_t everywhere(uint32_t format) {
    const uint32_t argb = 0x34325241, xrgb = 0x34325258;
    return format == 0 ? argb : format == 1 ? xrgb : format;
}

static void offer_both(void *data, struct wl_proxy *frame, uint32_t format, uint32_t width, uint32_t height,
                       uint32_t stride) {
    portal->buffer(data, frame, format, width, height, stride);
    portal->linux_dmabuf(data, frame, everywhere(format), width, height);
}

int wl_proxy_add_listener(struct wl_proxy *proxy, void (**listener)(void), void *data) {
    int (*real)(struct wl_proxy *, void (**)(void), void *) = dlsym(RTLD_NEXT, "wl_proxy_add_listener");
    if (strcmp(wl_proxy_get_class(proxy), "zwlr_screencopy_frame_v1") != 0)
        return real(proxy, listener, data);
    portal = (const struct listener *)listener;
    ours = *portal;
    ours.buffer = offer_both;
    return real(proxy, (void (**)(void))&ours, data);
}

#define SESSION "org.freedesktop.impl.portal.Session"

static void *bus;
static char session[256];

int sd_bus_add_object_vtable(void *to, void **slot, const char *path, const char *interface, const void *table,
                             void *data) {
    int (*real)(void *, void **, const char *, const char *, const void *, void *) =
        dlsym(RTLD_NEXT, "sd_bus_add_object_vtable");
    if (strcmp(interface, SESSION) == 0) {
        bus = to;
        snprintf(session, sizeof session, "%s", path);
    }
    return real(to, slot, path, interface, table, data);
}

// The portal waits here, and only here may something be said on its bus.
int poll(struct pollfd *files, nfds_t count, int timeout) {
    int (*real)(struct pollfd *, nfds_t, int) = dlsym(RTLD_NEXT, "poll");
    const char *stop = getenv("STOP_SHARING");
    if (timeout >= 0 || !stop)
        return real(files, count, timeout);
    for (;;) {
        int ready = real(files, count, 50);
        if (bus && unlink(stop) == 0) {
            int (*emit)(void *, const char *, const char *, const char *, const char *, ...) =
                dlsym(RTLD_DEFAULT, "sd_bus_emit_signal");
            emit(bus, session, SESSION, "Closed", "");
            bus = NULL;
        }
        if (ready)
            return ready;
    }
}
