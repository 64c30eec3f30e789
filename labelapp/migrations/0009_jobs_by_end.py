from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labelapp", "0008_candidates"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["project", "-finished", "-id"], name="job_by_end"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["-finished", "-id"], name="job_by_end_of_all"),
        ),
    ]
