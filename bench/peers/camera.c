/*
 * A V4L2 camera for a peer that takes its frames from nowhere else, on a machine without one: preloaded into it, this
 * answers for one device node.
 *
 *     cc -O2 -shared -fPIC -o camera.so camera.c -ldl
 *     touch node
 *     CAMERA_NODE=$PWD/node CAMERA_JPEG=frame.jpg CAMERA_FPS=30 LD_PRELOAD=./camera.so \
 *         ustreamer -d $PWD/node -r 1280x720 -m MJPEG -c HW
 *
 * The node is a file that exists (some look first). Opened, it is a timerfd, so that it polls readable when a frame is
 * due. Each frame is the one JPEG, put into the buffers when they are mapped, so that it costs the peer no copy. Where
 * the JPEG bears the coding ("seqcast1", u64 id, u64 Unix ns, little-endian) in its first bytes, it is written anew for
 * each frame.
 *
 * While the file CAMERA_GONE exists, it is unplugged: what is open fails with ENODEV, and it cannot be opened.
 *
 * Only what the peers ask for is here: one format, one size, mmap, no controls. Interface: linux/videodev2.h.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BUFFERS 8
#define MARK "seqcast1"
/* The coding is looked for in so many bytes. */
#define FIRST 256

static const char *node, *gone;
static int camera = -1;
static unsigned char *jpeg;
static size_t length, room;
/* Where the id is, or 0. */
static size_t coding;
static uint32_t width, height;
static unsigned fps;
static uint64_t sequence;
static unsigned char *mapped[BUFFERS];
/* Indices of the buffers that the peer has given back, the oldest first. */
static uint32_t queue[BUFFERS];
static unsigned buffers, queued;

static void die(const char *why) {
	fprintf(stderr, "camera: %s\n", why);
	exit(1);
}

/* The size in the frame header (ITU T.81, B.2.2). */
static void find_size(void) {
	for (size_t i = 2; i + 9 < length && jpeg[i] == 0xff;) {
		if (jpeg[i + 1] >= 0xc0 && jpeg[i + 1] <= 0xc2) {
			height = jpeg[i + 5] << 8 | jpeg[i + 6];
			width = jpeg[i + 7] << 8 | jpeg[i + 8];
			return;
		}
		i += 2 + (jpeg[i + 2] << 8 | jpeg[i + 3]);
	}
	die("CAMERA_JPEG has no frame header");
}

__attribute__((constructor)) static void load(void) {
	node = getenv("CAMERA_NODE");
	gone = getenv("CAMERA_GONE");
	const char *path = getenv("CAMERA_JPEG"), *rate = getenv("CAMERA_FPS");
	if (!node || !path)
		return;
	fps = rate ? atoi(rate) : 30;
	FILE *file = fopen(path, "rb");
	if (!file || fps == 0)
		die("CAMERA_JPEG cannot be read, or CAMERA_FPS is no number");
	fseek(file, 0, SEEK_END);
	length = ftell(file);
	room = (length + 4095) & ~4095ul;
	rewind(file);
	jpeg = malloc(length);
	if (!jpeg || fread(jpeg, 1, length, file) != length)
		die("CAMERA_JPEG cannot be read");
	fclose(file);
	find_size();
	unsigned char *mark = memmem(jpeg, length < FIRST ? length : FIRST, MARK, strlen(MARK));
	coding = mark ? mark - jpeg + strlen(MARK) : 0;
}

static int real_open(const char *path, int flags, mode_t mode) {
	return openat(AT_FDCWD, path, flags, mode);
}

static int is_gone(void) {
	return gone && access(gone, F_OK) == 0;
}

static int open_node(const char *path, int flags, mode_t mode) {
	if (!node || strcmp(path, node) != 0)
		return real_open(path, flags, mode);
	if (is_gone())
		return errno = ENOENT, -1;
	camera = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	queued = buffers = 0;
	return camera;
}

int open(const char *path, int flags, ...) {
	va_list more;
	va_start(more, flags);
	mode_t mode = va_arg(more, mode_t);
	va_end(more);
	return open_node(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
	va_list more;
	va_start(more, flags);
	mode_t mode = va_arg(more, mode_t);
	va_end(more);
	return open_node(path, flags, mode);
}

int __open_2(const char *path, int flags) {
	return open_node(path, flags, 0);
}

int __open64_2(const char *path, int flags) {
	return open_node(path, flags, 0);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
	static void *(*next)(void *, size_t, int, int, int, off_t);
	if (!next)
		next = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
	if (fd < 0 || fd != camera)
		return next(at, size, protection, flags, fd, offset);
	unsigned index = offset / room;
	if (index >= buffers || size > room)
		return errno = EINVAL, MAP_FAILED;
	void *map = next(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (map != MAP_FAILED)
		memcpy(mapped[index] = map, jpeg, length);
	return map;
}

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
	return mmap(at, size, protection, flags, fd, offset);
}

static int fail(int why) {
	errno = why;
	return -1;
}

static void format(struct v4l2_format *it) {
	it->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	it->fmt.pix = (struct v4l2_pix_format){
		.width = width, .height = height, .pixelformat = V4L2_PIX_FMT_MJPEG, .field = V4L2_FIELD_NONE,
		.sizeimage = room, .colorspace = V4L2_COLORSPACE_JPEG,
	};
}

static void interval(struct v4l2_streamparm *it) {
	it->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
	it->parm.capture.timeperframe = (struct v4l2_fract){1, fps};
}

static void describe(struct v4l2_buffer *it) {
	it->length = room;
	it->memory = V4L2_MEMORY_MMAP;
	it->m.offset = it->index * room;
	it->flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
}

static int run(unsigned long ns) {
	struct itimerspec beat = {{0, ns}, {0, ns}};
	return timerfd_settime(camera, 0, &beat, NULL);
}

static int take(struct v4l2_buffer *it) {
	uint64_t due;
	if (queued == 0 || read(camera, &due, sizeof due) != sizeof due)
		return fail(EAGAIN);
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	it->index = queue[0];
	memmove(queue, queue + 1, --queued * sizeof *queue);
	describe(it);
	it->flags |= V4L2_BUF_FLAG_DONE;
	it->bytesused = length;
	it->sequence = (sequence += due) - 1;
	if (coding) {
		uint64_t ns = now.tv_sec * 1000000000ull + now.tv_nsec;
		memcpy(mapped[it->index] + coding, &sequence, 8);
		memcpy(mapped[it->index] + coding + 8, &ns, 8);
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	it->timestamp = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return 0;
}

static int answer(unsigned long request, void *with) {
	struct v4l2_buffer *buffer = with;
	if (is_gone())
		return fail(ENODEV);
	switch ((uint32_t)request) { /* some pass an int, whose sign comes along */
	case VIDIOC_QUERYCAP: {
		struct v4l2_capability *it = with;
		memset(it, 0, sizeof *it);
		strcpy((char *)it->driver, "preloaded");
		strcpy((char *)it->card, "preloaded camera");
		strcpy((char *)it->bus_info, "none");
		it->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
		it->capabilities = it->device_caps | V4L2_CAP_DEVICE_CAPS;
		return 0;
	}
	case VIDIOC_ENUM_FMT: {
		struct v4l2_fmtdesc *it = with;
		if (it->index > 0)
			return fail(EINVAL);
		it->pixelformat = V4L2_PIX_FMT_MJPEG;
		strcpy((char *)it->description, "Motion-JPEG");
		return 0;
	}
	case VIDIOC_ENUM_FRAMESIZES: {
		struct v4l2_frmsizeenum *it = with;
		if (it->index > 0)
			return fail(EINVAL);
		it->type = V4L2_FRMSIZE_TYPE_DISCRETE;
		it->discrete = (struct v4l2_frmsize_discrete){width, height};
		return 0;
	}
	case VIDIOC_G_INPUT:
		return *(int *)with = 0;
	case VIDIOC_S_INPUT:
		return *(int *)with == 0 ? 0 : fail(EINVAL);
	case VIDIOC_G_FMT:
	case VIDIOC_S_FMT:
	case VIDIOC_TRY_FMT:
		format(with);
		return 0;
	case VIDIOC_G_PARM:
	case VIDIOC_S_PARM:
		interval(with);
		return 0;
	case VIDIOC_REQBUFS: {
		struct v4l2_requestbuffers *it = with;
		buffers = it->count = it->count < BUFFERS ? it->count : BUFFERS;
		queued = 0;
		return 0;
	}
	case VIDIOC_QUERYBUF:
		if (buffer->index >= buffers)
			return fail(EINVAL);
		describe(buffer);
		return 0;
	case VIDIOC_QBUF:
		if (buffer->index >= buffers || queued == BUFFERS)
			return fail(EINVAL);
		queue[queued++] = buffer->index;
		return 0;
	case VIDIOC_DQBUF:
		return take(buffer);
	case VIDIOC_STREAMON:
		return run(1000000000ul / fps);
	case VIDIOC_STREAMOFF:
		queued = 0;
		return run(0);
	default:
		return fail(EINVAL); /* no controls, no timings, no events */
	}
}

int ioctl(int fd, unsigned long request, ...) {
	static int (*next)(int, unsigned long, ...);
	va_list more;
	va_start(more, request);
	void *with = va_arg(more, void *);
	va_end(more);
	if (fd >= 0 && fd == camera)
		return answer(request, with);
	if (!next)
		next = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	return next(fd, request, with);
}
