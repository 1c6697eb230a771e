/* SPDX-License-Identifier: MIT */
/**
 * @file kd.h
 * All of libkd, easiest first. A host that brings its own network needs kd/loss.h alone.
 *
 *   Tier 1, only the mathematics:       kd/base.h, kd/loss.h
 *
 *   Tier 2, the whole loop in one call: kd/context.h, kd/batch.h, kd/net.h, kd/optim.h,
 *                                       kd/teacher.h, kd/distill.h
 *
 *   Tier 3, the parts of a step, files: kd/train.h, kd/specialist.h, kd/stream.h, kd/file.h,
 *                                                   kd/cache.h
 */
#ifndef KD_KD_H
#define KD_KD_H

#include <kd/base.h>
#include <kd/loss.h>

#include <kd/batch.h>
#include <kd/context.h>
#include <kd/distill.h>
#include <kd/net.h>
#include <kd/optim.h>
#include <kd/teacher.h>

#include <kd/cache.h>
#include <kd/file.h>
#include <kd/specialist.h>
#include <kd/stream.h>
#include <kd/train.h>

#endif
