"""The multitask upper bound: full fine-tuning on the data of all tasks at once, with the whole stream's budget."""

from flopwise.methods.continual import Method
from flopwise.methods.continual.full_ft import prepare

METHOD = Method(prepare, label="oracle (all data)", group=None, joint=True)
