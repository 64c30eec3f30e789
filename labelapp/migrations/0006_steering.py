from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labelapp", "0005_browse"),
    ]

    operations = [
        migrations.AddField(
            model_name="labelbatch",
            name="joins_from",
            field=models.BigIntegerField(null=True),
        ),
    ]
