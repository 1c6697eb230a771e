/* SPDX-License-Identifier: MIT */
/* Soft targets drawn: the image, then its class probabilities at T = 1 and at T as bars. */
#include "picture.h"

#include <math.h>

enum { SIDE = 28, CLASSES = 10, GREYS = 8 };

/* Layout of the SVG, in pixels. */
enum { MARGIN = 24, HEAD = 76, ROW = 104, IMAGE = 84, PANEL = 270, GAP = 52, BAR = 20, TALL = 66 };

static int grey_of(uint8_t pixel)
{
    return pixel * (GREYS - 1) / 255;
}

/* One path for each shade of ink: runs of equal pixels, so the file stays small. */
static void save_image(FILE *f, const uint8_t *pixels, int x, int y)
{
    fprintf(f,
            "<g transform=\"translate(%d %d) scale(3)\"><rect width=\"28\" height=\"28\" "
            "fill=\"#fff\"/>\n",
            x, y);
    for (int grey = 1; grey < GREYS; grey++) {
        int shade = 255 - 255 * grey / (GREYS - 1);
        fprintf(f, "<path fill=\"#%02x%02x%02x\" d=\"", shade, shade, shade);
        for (int row = 0; row < SIDE; row++) {
            for (int column = 0; column < SIDE; column++) {
                int begin = column;
                while (column < SIDE && grey_of(pixels[row * SIDE + column]) == grey) {
                    column++;
                }
                if (column > begin) {
                    fprintf(f, "M%d %dh%dv1h-%dz", begin, row, column - begin, column - begin);
                }
            }
        }
        fputs("\"/>\n", f);
    }
    fputs("</g>\n", f);
}

static double largest(const float *p)
{
    double top = 0.0;
    for (int k = 0; k < CLASSES; k++) {
        top = (double)p[k] > top && isfinite(p[k]) ? (double)p[k] : top;
    }
    return top;
}

/* A bar's share of the full length; none for what is no probability, as of a net that diverged. */
static double share(const float *p, int k)
{
    double part = (double)p[k] / largest(p);
    return part > 0.0 && part <= 1.0 ? part : 0.0;
}

/* Every panel has its own scale, named beside it: at a high temperature all bars are low. */
static void save_bars(FILE *f, const float *p, int label, int x, int y)
{
    fprintf(f, "<text x=\"%d\" y=\"%d\" class=\"scale\">%.3f</text>\n", x - 6, y + 10, largest(p));
    for (int k = 0; k < CLASSES; k++) {
        double height = share(p, k) * TALL;
        int left = x + k * (BAR + 7);
        const char *color = k == label ? "#2a9d8f" : "#e76f51";
        fprintf(f, "<rect x=\"%d\" y=\"%.2f\" width=\"%d\" height=\"%.2f\" fill=\"%s\"/>", left,
                (double)(y + TALL) - height, BAR, height, color);
        fprintf(f, "<text x=\"%d\" y=\"%d\" class=\"%s\">%d</text>\n", left + BAR / 2,
                y + TALL + 14, k == label ? "own" : "class", k);
    }
    fprintf(f, "<path d=\"M%d %dh%d\" stroke=\"#adb5bd\"/>\n", x - 3, y + TALL, PANEL);
}

static void save_text(FILE *f, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", f);
            break;
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        default:
            fputc(*text, f);
        }
    }
}

static void save_head(FILE *f, float temperature, const char *title, int width, int height)
{
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\">\n"
            "<style>.class{font-size:11px;fill:#6c757d;text-anchor:middle}"
            ".scale{font-size:10px;fill:#6c757d;text-anchor:end}"
            ".own{font-size:11px;font-weight:bold;fill:#2a9d8f;text-anchor:middle}</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#f8f9fa\"/>\n"
            "<text x=\"%d\" y=\"34\" font-size=\"20\" fill=\"#212529\">",
            width, height, width, height, MARGIN);
    save_text(f, title);
    fputs("</text>\n", f);
    int first = MARGIN + IMAGE + GAP;
    fprintf(f, "<text x=\"%d\" y=\"60\" font-size=\"14\" fill=\"#495057\">T = 1</text>\n", first);
    fprintf(f, "<text x=\"%d\" y=\"60\" font-size=\"14\" fill=\"#495057\">T = %g</text>\n",
            first + PANEL + GAP, (double)temperature);
}

bool picture_save(const char *path, const picture_row *rows, size_t n, float temperature,
                  const char *title)
{
    FILE *f = fopen(path, "w");
    if (!f) {
        return false;
    }
    int width = 2 * MARGIN + IMAGE + 2 * (PANEL + GAP);
    int height = HEAD + (int)n * ROW + MARGIN / 2;
    save_head(f, temperature, title, width, height);
    for (size_t i = 0; i < n; i++) {
        int y = HEAD + (int)i * ROW;
        int x = MARGIN + IMAGE + GAP;
        save_image(f, rows[i].pixels, MARGIN, y);
        save_bars(f, rows[i].hard, rows[i].label, x, y);
        save_bars(f, rows[i].soft, rows[i].label, x + PANEL + GAP, y);
    }
    fputs("</svg>\n", f);
    bool good = !ferror(f);
    return fclose(f) == 0 && good;
}

/* Two rows of pixels in one line of text, every pixel a column. */
static void print_pixels(FILE *file, const uint8_t *pixels, int line, bool ascii)
{
    static const char *const shades = " .:-=+*#";
    for (int column = 0; column < SIDE; column++) {
        int upper = pixels[2 * line * SIDE + column];
        int lower = pixels[(2 * line + 1) * SIDE + column];
        if (ascii) {
            fputc(shades[grey_of((uint8_t)((upper + lower) / 2))], file);
        } else {
            const char *blocks[] = {" ", "▄", "▀", "█"};
            fputs(blocks[(upper > 96) * 2 + (lower > 96)], file);
        }
    }
}

static void print_bar(FILE *file, const float *p, int k, bool ascii)
{
    enum { WIDTH = 12 };
    int full = (int)(share(p, k) * WIDTH + 0.5);
    fprintf(file, "%7.3f ", (double)p[k]);
    for (int i = 0; i < WIDTH; i++) {
        fputs(i >= full ? " " : ascii ? "#" : "█", file);
    }
}

void picture_print(FILE *file, const picture_row *rows, size_t n, float temperature, bool ascii)
{
    for (size_t i = 0; i < n; i++) {
        fprintf(file, "  %-28s      %-20s T = %g\n", "", "T = 1", (double)temperature);
        for (int line = 0; line < SIDE / 2; line++) {
            int k = line - 2; /* ten classes beside the middle of fourteen lines */
            fputs("  ", file);
            print_pixels(file, rows[i].pixels, line, ascii);
            if (k >= 0 && k < CLASSES) {
                fprintf(file, " %c%d", k == rows[i].label ? '>' : ' ', k);
                print_bar(file, rows[i].hard, k, ascii);
                print_bar(file, rows[i].soft, k, ascii);
            }
            fputc('\n', file);
        }
    }
}
