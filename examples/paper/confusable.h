/* SPDX-License-Identifier: MIT */
/**
 * @file confusable.h
 * What a teacher knows beside the label: test images that it gets right, and the class it would
 * rather confuse them with.
 */
#ifndef CONFUSABLE_H
#define CONFUSABLE_H

#include "study.h"

/**
 * Writes "confusable" to `result`: of the classes that are taken for another most easily, by the
 * net's mean soft targets at `temperature`, the image that is most like the other. Each has image
 * (its number in the test set), label, other and logits [10]. False after a message.
 */
bool confusable_write(const study *s, kd_net *net, float temperature, cJSON *result);

#endif
