"""Kinds of on-disk layouts, by the names that the catalogue uses. Names only: the catalogue checks its rows with them."""

READERS = {  # kind -> module:function below `flopwise.data.readers`
    "class_folders": "folders:class_folders",
    "torchvision_folder": "folders:torchvision_folder",
    "torchvision_array": "array_files:torchvision_array",
    "torchvision_filelist": "lists:torchvision_filelist",
    "torchvision_mat": "array_files:torchvision_mat",
    "filelist_txt": "lists:filelist_txt",
    "csv_table": "tables:csv_table",
    "json_map": "annotations:json_map",
    "json_split": "annotations:json_split",
    "scene_json": "annotations:scene_json",
    "bbox_crop_json": "annotations:bbox_crop_json",
    "npz_array": "array_files:npz_array",
    "h5_array": "array_files:h5_array",
    "flat_images_manifest": "pairs:flat_images_manifest",
    "image_text_pairs": "pairs:image_text_pairs",
    "retrieval_csv": "pairs:retrieval_csv",
}

OTHER_FORMATS = (  # sets that are no lists of images with classes or captions; their readers are modules of their own
    "webdataset_shards", "text_documents", "sintel", "kitti_flow", "autoflow", "ade20k", "glue",
    "coco_json", "cub_official", "audioset_lists", "kinetics_lists",
)  # fmt: skip
